-- Wireshark dissector for captures of a copperlink line (copperlink capture).
--
--   wireshark -X lua_script:firmware-notes/copperlink.lua line.pcapng
--
-- or put it into the folder of personal Lua plugins. A packet has twenty bytes of its own in
-- front (version, what, direction, parity, sessions, number, repaired, flags), then bytes of the line,
-- a frame as it was sent (COBS and parity), noise, or JSON. The frame is taken out of COBS here, its check
-- is computed again, and how much parity it has is found by that check. The format of the line is in
-- wire-format.md. What belongs to no frame is noise, and nothing is wrong with the dissection then.

local copperlink = Proto("copperlink", "copperlink line")

local WHAT = { [0] = "info", [1] = "chunk", [2] = "frame", [3] = "noise", [4] = "gap" }
local DIRECTIONS = { [0] = "received", [1] = "sent" }
local KINDS = { [0] = "ordinary", [1] = "service", [2] = "express", [3] = "express short" }
local SERVICES = { [0] = "hello", [1] = "table", [2] = "text", [3] = "heard" }
local CLASSES = { [1] = "audio", [2] = "video", [3] = "control", [4] = "rtp" }
local PARITIES = { 0, 2, 4, 8, 16, 24 }
local FRONT = 20

local f = {
  what = ProtoField.uint8("copperlink.what", "What", base.DEC, WHAT),
  direction = ProtoField.uint8("copperlink.direction", "Direction", base.DEC, DIRECTIONS),
  parity = ProtoField.uint8("copperlink.parity", "Parity of a codeword, bytes"),
  sender = ProtoField.uint32("copperlink.sender", "Sender's session", base.HEX),
  receiver = ProtoField.uint32("copperlink.receiver", "Receiver's session", base.HEX),
  number = ProtoField.uint32("copperlink.number", "Frame number"),
  repaired = ProtoField.uint16("copperlink.repaired", "Repaired bytes"),
  joined = ProtoField.bool("copperlink.joined", "Put together from pieces"),
  kind = ProtoField.string("copperlink.kind", "Kind"),
  check = ProtoField.string("copperlink.check", "Check"),
  noise = ProtoField.bytes("copperlink.noise", "Noise"),
  chunk = ProtoField.bytes("copperlink.chunk", "Bytes of the line"),
  info = ProtoField.string("copperlink.info", "Info"),
  missing = ProtoField.uint64("copperlink.missing", "Bytes missing"),
  segment = ProtoField.string("copperlink.segment", "Segment"),
  flow = ProtoField.uint8("copperlink.flow", "Flow"),
  message = ProtoField.uint32("copperlink.message", "Number in the flow, low bits"),
  data = ProtoField.bytes("copperlink.data", "Data"),
  largest = ProtoField.uint16("copperlink.report.largest", "Largest received, low bits"),
  hold = ProtoField.uint32("copperlink.report.hold", "Held back, us"),
  arrived = ProtoField.uint32("copperlink.report.at", "Arrived, by the far clock, us"),
  described = ProtoField.uint8("copperlink.report.described", "Numbers described below"),
  lost = ProtoField.uint8("copperlink.report.missing", "Of these missing"),
  session = ProtoField.uint32("copperlink.session", "Own session", base.HEX),
  heard = ProtoField.uint32("copperlink.heard", "Heard session", base.HEX),
  version = ProtoField.uint8("copperlink.version", "Version"),
  hears = ProtoField.bool("copperlink.hello.hears", "Hears the other end"),
  up = ProtoField.bool("copperlink.hello.up", "Line is up"),
  digest = ProtoField.uint32("copperlink.hello.digest", "Table digest", base.HEX),
  next = ProtoField.uint32("copperlink.hello.next", "Next frame"),
  expected = ProtoField.uint32("copperlink.hello.expected", "Expected frame"),
  name = ProtoField.string("copperlink.name", "Name"),
  channel = ProtoField.string("copperlink.channel", "Channel"),
  run = ProtoField.uint32("copperlink.text.run", "Run", base.HEX),
  piece = ProtoField.uint16("copperlink.text.number", "Number of the piece"),
  text = ProtoField.string("copperlink.text", "Text"),
}
local list = {}
for _, field in pairs(f) do
  list[#list + 1] = field
end
copperlink.fields = list

local e_noise = ProtoExpert.new("copperlink.noise.expert", "Noise: bytes that belong to no frame", expert.group.SEQUENCE, expert.severity.NOTE)
local e_repaired = ProtoExpert.new("copperlink.repaired.expert", "Wrong bytes were repaired", expert.group.SEQUENCE, expert.severity.NOTE)
local e_check = ProtoExpert.new("copperlink.check.expert", "The check does not fit: written by another version", expert.group.CHECKSUM, expert.severity.WARN)
local e_unknown = ProtoExpert.new("copperlink.unknown.expert", "Not a segment of this version", expert.group.UNDECODED, expert.severity.WARN)
copperlink.experts = { e_noise, e_repaired, e_check, e_unknown }

-- Bits of two numbers, whatever Lua this Wireshark has: 5.2 has a library, 5.3 and later have operators.
local bit = bit32 or bit
local band, bor, bxor, lshift, rshift
if bit then
  band, bor, bxor = bit.band, bit.bor, bit.bxor
  lshift, rshift = bit.lshift, bit.rshift
else
  local make = load([[return function(a, b) return a & b end, function(a, b) return a | b end,
    function(a, b) return a ~ b end, function(a, n) return (a << n) & 0xffffffff end,
    function(a, n) return (a & 0xffffffff) >> n end]])
  band, bor, bxor, lshift, rshift = make()
end

local function table_of(polynomial)
  local crcs = {}
  for value = 0, 255 do
    local crc = value
    for _ = 1, 8 do
      if band(crc, 1) == 1 then
        crc = bxor(rshift(crc, 1), polynomial)
      else
        crc = rshift(crc, 1)
      end
    end
    crcs[value] = crc
  end
  return crcs
end

local CRC32C = table_of(0x82F63B78)
local CRC16 = table_of(0x8408)

local function crc(crcs, start, bytes)
  local value = start
  for i = 1, #bytes do
    value = bxor(rshift(value, 8), crcs[band(bxor(value, bytes[i]), 0xff)])
  end
  return bxor(value, start)
end

-- Bytes out of COBS; nil when they are not COBS.
local function uncobs(bytes, length)
  local out, at = {}, 1
  while at <= length do
    local code = bytes[at]
    if code == 0 or at + code - 1 > length then
      return nil
    end
    for i = at + 1, at + code - 1 do
      out[#out + 1] = bytes[i]
    end
    at = at + code
    if code < 255 and at <= length then
      out[#out + 1] = 0
    end
  end
  return out
end

local function little(bytes, from, count)
  local value = 0
  for i = count - 1, 0, -1 do
    value = value * 256 + bytes[from + i]
  end
  return value
end

local function append(out, value, count)
  for _ = 1, count do
    out[#out + 1] = value % 256
    value = math.floor(value / 256)
  end
end

-- Whether a frame out of COBS has a good check.
local function is_good(body, sender, receiver, number)
  local kind = rshift(body[1], 6)
  local check = 4
  if kind == 3 then
    check = 2
  end
  if #body <= check then
    return false
  end
  local checked = {}
  if kind == 1 then
    sender, receiver, number = 0, 0, 0
  end
  append(checked, sender, 4)
  append(checked, receiver, 4)
  append(checked, number, 4)
  for i = 1, #body - check do
    checked[#checked + 1] = body[i]
  end
  local said = little(body, #body - check + 1, check)
  if kind == 3 then
    return crc(CRC16, 0xffff, checked) == said
  end
  -- As a positive number, whatever the library gives.
  return crc(CRC32C, 0xffffffff, checked) % 4294967296 == said
end

-- The frame that stands in bytes of the line: body, parity. The check finds the parity; `hint` is
-- tried first.
local function open(bytes, sender, receiver, number, hint)
  local order = { hint }
  for _, parity in ipairs(PARITIES) do
    if parity ~= hint then
      order[#order + 1] = parity
    end
  end
  for _, parity in ipairs(order) do
    local blocks = math.ceil(#bytes / 255)
    local stuffed = #bytes - blocks * parity
    if stuffed > 0 then
      local body = uncobs(bytes, stuffed)
      if body and #body > 0 and is_good(body, sender, receiver, number) then
        return body, parity
      end
    end
  end
  return nil
end

local function bytes_of(range)
  local raw, bytes = range:bytes(), {}
  for i = 0, raw:len() - 1 do
    bytes[i + 1] = raw:get_index(i)
  end
  return bytes
end

-- A number of up to three bytes with seven bits each, at a place; gives the place behind it, too.
local function varint(tvb, at)
  local value, factor = 0, 1
  for i = 0, 2 do
    if at + i >= tvb:len() then
      return nil
    end
    local byte = tvb(at + i, 1):uint()
    value = value + (byte % 128) * factor
    if byte < 128 then
      return value, at + i + 1
    end
    factor = factor * 128
  end
  return nil
end

local function report(tvb, at, tree)
  if at + 2 > tvb:len() then
    return nil
  end
  tree:add_le(f.largest, tvb(at, 2))
  local hold, behind = varint(tvb, at + 2)
  if not hold or behind + 3 > tvb:len() then
    return nil
  end
  tree:add(f.hold, tvb(at + 2, behind - at - 2), hold * 250)
  tree:add(f.arrived, tvb(behind, 2), tvb(behind, 2):le_uint() * 250)
  local cover = tvb(behind + 2, 1):uint()
  local described = cover % 128
  tree:add(f.described, tvb(behind + 2, 1), described)
  at = behind + 3
  local lost = 0
  if cover >= 128 then
    local map = math.ceil(described / 8)
    if at + map > tvb:len() then
      return nil
    end
    for i = 0, described - 1 do
      local byte = tvb(at + math.floor(i / 8), 1):uint()
      if band(rshift(byte, i % 8), 1) == 0 then
        lost = lost + 1
      end
    end
    at = at + map
  end
  tree:add(f.lost, lost)
  return at
end

-- The segments of link services, by number: name, and bytes that follow where that is fixed.
local LINK = {
  [1] = "report", [2] = "probe", [3] = "close", [4] = "advance", [5] = "repairs", [6] = "parity",
  [8] = "next message", [9] = "next message", [10] = "next message", [11] = "again",
}
local FIXED = { [2] = 0, [3] = 0, [4] = 3, [5] = 4, [6] = 1 }

-- One segment at a place. Gives its name and the place behind it; nil when it is none.
local function segment(tvb, at, tree, state)
  local first = tvb(at, 1):uint()
  local begin = at
  if first >= 128 then
    local item = tree:add(f.segment, tvb(at), string.format("steady: slot %d", rshift(band(first, 0x70), 4)))
    if at + 1 < tvb:len() then
      item:add(f.data, tvb(at + 1))
    end
    return "steady", tvb:len()
  end
  local kind, low = rshift(first, 5), band(first, 0x1f)
  if kind == 0 then
    local name = LINK[low]
    if not name then
      return nil
    end
    if low == 1 then
      local item = tree:add(f.segment, tvb(at), name)
      local behind = report(tvb, at + 1, item)
      return behind and name, behind
    end
    if low == 11 then
      tree:add(f.segment, tvb(at, 1), name)
      return name, at + 1
    end
    if low >= 8 then
      local length, behind = state.length, at + 1
      if low == 8 then
        length, behind = varint(tvb, at + 1)
      elseif low == 9 then
        length = tvb:len() - behind
      end
      if not length or behind + length > tvb:len() then
        return nil
      end
      state.length = length
      local item = tree:add(f.segment, tvb(begin, behind + length - begin), name)
      if length > 0 then
        item:add(f.data, tvb(behind, length))
      end
      return "message", behind + length
    end
    local count = FIXED[low]
    if at + 1 + count > tvb:len() then
      return nil
    end
    local item = tree:add(f.segment, tvb(at, 1 + count), name)
    if low == 4 then
      item:add(f.flow, tvb(at + 1, 1))
      item:add_le(f.message, tvb(at + 2, 2))
    elseif low == 6 then
      item:add(f.parity, tvb(at + 1, 1))
    elseif low == 5 then
      item:add_le(f.repaired, tvb(at + 1, 2))
    end
    return name, at + 1 + count
  end
  local names = { "packet", "message", "piece" }
  local name = names[kind]
  local bytes = kind == 1 and 1 or 2
  at = at + 1
  if at + bytes > tvb:len() then
    return nil
  end
  local top = tvb(at + bytes - 1, 1):uint()
  local number = band(top, 0x3f)
  if bytes == 2 then
    number = number * 256 + tvb(at, 1):uint()
  end
  at = at + bytes
  local place
  if kind == 3 then
    place, at = varint(tvb, at)
    if not place then
      return nil
    end
  end
  local length
  if top >= 128 then
    length, at = varint(tvb, at)
    if not length then
      return nil
    end
  else
    length = tvb:len() - at
  end
  if at + length > tvb:len() then
    return nil
  end
  local words = string.format("%s %d of flow %d, %d bytes", name, number, low, length)
  if band(top, 0x40) ~= 0 then
    words = words .. ", compressed header"
  end
  if place then
    words = words .. string.format(", offset %d", math.floor(place / 2))
  end
  local item = tree:add(f.segment, tvb(begin, at + length - begin), words)
  item:add(f.flow, tvb(begin, 1), low)
  item:add(f.message, number)
  if length > 0 then
    item:add(f.data, tvb(at, length))
  end
  state.length = length
  return name, at + length
end

local function segments(tvb, at, tree)
  local names, state = {}, {}
  while at < tvb:len() do
    local name, behind = segment(tvb, at, tree, state)
    if not name then
      tree:add_proto_expert_info(e_unknown)
      break
    end
    names[#names + 1] = name
    at = behind
  end
  return table.concat(names, ", ")
end

local function hello(tvb, at, tree)
  local version = tvb(at, 1):uint()
  tree:add(f.version, tvb(at, 1))
  tree:add_le(f.session, tvb(at + 1, 4))
  if version ~= 1 or tvb:len() < at + 22 then
    return string.format("version %d", version)
  end
  tree:add_le(f.heard, tvb(at + 5, 4))
  local flags = tvb(at + 9, 1):uint()
  tree:add(f.hears, tvb(at + 9, 1), band(flags, 1) ~= 0)
  tree:add(f.up, tvb(at + 9, 1), band(flags, 2) ~= 0)
  tree:add_le(f.digest, tvb(at + 10, 4))
  tree:add_le(f.next, tvb(at + 14, 4))
  tree:add_le(f.expected, tvb(at + 18, 4))
  at = at + 22
  local name = ""
  while at + 2 <= tvb:len() do
    local option, length = tvb(at, 1):uint(), tvb(at + 1, 1):uint()
    if at + 2 + length > tvb:len() then
      break
    end
    if option == 1 and length > 0 then
      name = tvb(at + 2, length):string(ENC_UTF_8)
      tree:add(f.name, tvb(at + 2, length), name)
    end
    at = at + 2 + length
  end
  return name
end

local function channels(tvb, at, tree)
  tree:add(f.version, tvb(at, 1))
  tree:add_le(f.session, tvb(at + 1, 4))
  at = at + 5
  local count = 0
  while at + 4 <= tvb:len() do
    local length = tvb(at + 3, 1):uint()
    if at + 4 + length > tvb:len() then
      break
    end
    local name = length > 0 and tvb(at + 4, length):string(ENC_UTF_8) or ""
    local class = CLASSES[tvb(at + 1, 1):uint()] or "?"
    tree:add(f.channel, tvb(at, 4 + length), string.format("%d %s '%s'", tvb(at, 1):uint(), class, name))
    count = count + 1
    at = at + 4 + length
  end
  return string.format("%d channels", count)
end

local function text(tvb, at, tree)
  tree:add(f.version, tvb(at, 1))
  tree:add_le(f.run, tvb(at + 1, 4))
  tree:add_le(f.piece, tvb(at + 5, 2))
  if tvb:len() > at + 8 then
    local said = tvb(at + 8):string(ENC_UTF_8)
    tree:add(f.text, tvb(at + 8), said)
    return said
  end
  return ""
end

local function heard(tvb, at, tree)
  tree:add(f.version, tvb(at, 1))
  tree:add_le(f.session, tvb(at + 1, 4))
  tree:add_le(f.run, tvb(at + 5, 4))
  tree:add_le(f.piece, tvb(at + 9, 2))
  return string.format("number %d", tvb(at + 9, 2):le_uint())
end

-- The least bytes that each service has behind its header.
local SERVICE = {
  [0] = { hello, 5 }, [1] = { channels, 5 }, [2] = { text, 8 }, [3] = { heard, 11 },
}

local function frame(tvb, tree, info)
  local sender, receiver = tvb(4, 4):le_uint(), tvb(8, 4):le_uint()
  local number, hint = tvb(12, 4):le_uint(), tvb(3, 1):uint()
  local wire = tvb(FRONT)
  local body, parity = open(bytes_of(wire), sender, receiver, number, hint)
  if not body then
    tree:add_proto_expert_info(e_check)
    return "frame with another check"
  end
  tree:add(f.parity, wire, parity)
  local kind = rshift(body[1], 6)
  local check = kind == 3 and 2 or 4
  local raw = ByteArray.new()
  raw:set_size(#body - check)
  for i = 1, #body - check do
    raw:set_index(i - 1, body[i])
  end
  local content = raw:tvb("Frame")
  local name, words
  if kind == 1 then
    local service = band(body[1], 0x1f)
    name = SERVICES[service] or string.format("service %d", service)
    tree:add(f.kind, content(0, 1), name)
    local reader = SERVICE[service]
    if reader and content:len() >= 1 + reader[2] then
      words = reader[1](content, 1, tree)
    end
  else
    name = KINDS[kind]
    tree:add(f.kind, content(0, 1), name)
    tree:add_le(f.sender, tvb(4, 4))
    tree:add_le(f.receiver, tvb(8, 4))
    tree:add_le(f.number, tvb(12, 4))
    local at = band(body[1], 0x20) ~= 0 and 2 or 1
    words = segments(content, at, tree)
  end
  tree:add(f.check, check == 2 and "CRC-16, good" or "CRC-32, good")
  if kind == 1 then
    return string.format("%s: %s", name, words or "")
  end
  return string.format("%s %d: %s", name, number, words or "")
end

function copperlink.dissector(tvb, pinfo, root)
  if tvb:len() < FRONT or tvb(0, 1):uint() ~= 1 then
    return 0
  end
  pinfo.cols.protocol = "copperlink"
  local what, direction = tvb(1, 1):uint(), tvb(2, 1):uint()
  local tree = root:add(copperlink, tvb())
  tree:add(f.what, tvb(1, 1))
  if what == 1 or what == 2 or what == 3 then
    tree:add(f.direction, tvb(2, 1))
    pinfo.cols.src = direction == 0 and "far end" or "here"
    pinfo.cols.dst = direction == 0 and "here" or "far end"
  end
  local info = WHAT[what] or "?"
  local length = tvb:len() - FRONT
  if what == 0 then
    if length > 0 then
      tree:add(f.info, tvb(FRONT))
    end
  elseif what == 1 then
    info = string.format("%d bytes of the line", length)
    if length > 0 then
      tree:add(f.chunk, tvb(FRONT))
    end
  elseif what == 2 and length > 0 then
    local repaired = tvb(16, 2):le_uint()
    if repaired > 0 then
      tree:add_le(f.repaired, tvb(16, 2))
      tree:add_proto_expert_info(e_repaired, string.format("%d wrong bytes were repaired", repaired))
    end
    tree:add(f.joined, tvb(18, 1), band(tvb(18, 1):uint(), 1) ~= 0)
    info = frame(tvb, tree, info)
  elseif what == 3 then
    info = string.format("noise, %d bytes", length)
    tree:add_proto_expert_info(e_noise)
    if length > 0 then
      tree:add(f.noise, tvb(FRONT))
    end
  elseif what == 4 and length >= 16 then
    tree:add_le(f.missing, tvb(FRONT + 8, 8))
    info = string.format("%s bytes are missing", tostring(tvb(FRONT + 8, 8):le_uint64()))
  end
  pinfo.cols.info = info
  return tvb:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, copperlink)
