#!/usr/bin/env bash
# A call between two real media programs, over a simulated line.
#
#   ffmpeg --RTP--> copperlink run ~~ copperlink simulate ~~ copperlink run --RTP--> ffmpeg
#          <--RTP--                                                         <--RTP--
#
# Both ends send a test picture (H.263, 128x96, 10 frames a second) and a tone, and write what
# they receive to a file; at the end the script says what arrived. All on 127.0.0.1.
#
#   examples/media_call.sh [SECONDS] [options of `copperlink simulate`]
#   examples/media_call.sh 20 --rate 33600 --ber 1e-5
#
# COPPERLINK=PATH runs that program; otherwise it is built first. Without ffmpeg the script says
# "skipped" and ends with 0. Exit code 1: something did not arrive.
set -euo pipefail

seconds=15
if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
    seconds=$1
    shift
fi

for tool in ffmpeg ffprobe; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: there is no $tool on this machine"
        exit 0
    fi
done

root=$(cd "$(dirname "$0")/.." && pwd)
if [[ -z ${COPPERLINK:-} ]]; then
    cargo build --release --quiet --manifest-path "$root/Cargo.toml"
    COPPERLINK=${CARGO_TARGET_DIR:-$root/target}/release/copperlink
fi

dir=$(mktemp -d)
export COPPERLINK_RUN_DIR=$dir/run
children=()

# Ends the children that it is told of, by their numbers, and waits for each. Asks twice: after
# the first time ffmpeg still waits for a packet.
end() {
    local pid
    for pid in "$@"; do
        kill "$pid" 2>/dev/null || true
    done
    sleep 0.5
    for pid in "$@"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "$@"; do
        wait "$pid" 2>/dev/null || true
    done
}

clean_up() {
    end "${children[@]}"
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "$1" >&2
    cat "$dir"/*.log >&2
    exit 1
}

# Room 1 has ports 15004 … 16007, room 2 has 17004 … 18007.
listen=([1]=15004 [2]=17004)
deliver=([1]=16004 [2]=18004)

settings() { # room, device
    local audio_in=${listen[$1]} audio_out=${deliver[$1]}
    cat <<TOML
[link]
name = "media-$1"

[[line]]
device = "$2"
baud = 38400

[[channel]]
id = 1
name = "audio"
class = "audio"
listen = "127.0.0.1:$audio_in"
deliver = "127.0.0.1:$audio_out"
rtcp = true

[[channel]]
id = 2
name = "video"
class = "video"
listen = "127.0.0.1:$((audio_in + 2))"
deliver = "127.0.0.1:$((audio_out + 2))"
rtcp = true
TOML
}

# Opus where this ffmpeg has it, else G.726, which every ffmpeg has.
if [[ $(ffmpeg -hide_banner -encoders 2>/dev/null) == *" libopus "* ]]; then
    voice=(-c:a libopus -b:a 6k -application voip -frame_duration 40 -vbr off -ar 16000)
    voice_map="opus/48000/2"
else
    voice=(-c:a g726 -b:a 16000 -ar 8000)
    voice_map="G726-16/8000"
fi

receive() { # room
    local audio=${deliver[$1]}
    cat >"$dir/$1.sdp" <<SDP
v=0
o=- 0 0 IN IP4 127.0.0.1
s=media_call
c=IN IP4 127.0.0.1
t=0 0
m=audio $audio RTP/AVP 97
a=rtpmap:97 $voice_map
m=video $((audio + 2)) RTP/AVP 96
a=rtpmap:96 H263-2000/90000
SDP
    ffmpeg -nostdin -hide_banner -loglevel error -protocol_whitelist file,udp,rtp \
        -i "$dir/$1.sdp" -map 0 -c copy -flush_packets 1 -y "$dir/$1.nut" 2>"$dir/receiver-$1.log" &
    children+=($!)
    receivers+=($!)
}

send() { # room
    local audio=${listen[$1]}
    ffmpeg -nostdin -hide_banner -loglevel error -re -t "$seconds" \
        -f lavfi -i testsrc=size=128x96:rate=10 -re -t "$seconds" -f lavfi -i sine=frequency=440 \
        -map 1:a -ac 1 "${voice[@]}" -payload_type 97 -f rtp "rtp://127.0.0.1:$audio?pkt_size=172" \
        -map 0:v -c:v h263p -b:v 12k -maxrate 12k -bufsize 12k -g 100 -payload_type 96 \
        -f rtp "rtp://127.0.0.1:$((audio + 2))?pkt_size=600" >/dev/null 2>"$dir/sender-$1.log" &
    children+=($!)
    senders+=($!)
}

is_up() { # room
    "$COPPERLINK" status --json "media-$1" 2>/dev/null | grep -q '"state": "up"'
}

packets() { # file, stream
    ffprobe -loglevel error -count_packets -select_streams "$2" \
        -show_entries stream=nb_read_packets -of csv=p=0 "$1" 2>/dev/null | tr -d ',' || true
}

senders=()
receivers=()
"$COPPERLINK" simulate --link-a "$dir/line-1" --link-b "$dir/line-2" "$@" >"$dir/line.txt" \
    2>"$dir/line.log" &
line=$!
children+=("$line")
for room in 1 2; do
    settings "$room" "$dir/line-$room" >"$dir/$room.toml"
    "$COPPERLINK" run "$dir/$room.toml" 2>"$dir/link-$room.log" &
    children+=($!)
done

for ((i = 0; ; i++)); do
    is_up 1 && is_up 2 && break
    kill -0 "$line" 2>/dev/null && ((i < 100)) || fail "the link did not come up"
    sleep 0.2
done
echo "the link is up; $seconds s of call"
receive 1
receive 2
sleep 1
send 1
send 2
for pid in "${senders[@]}"; do
    wait "$pid" || fail "a sender failed"
done
# What is still on its way arrives within the deadline of the video.
sleep 1
"$COPPERLINK" status media-1
end "${receivers[@]}"

missing=0
for room in 1 2; do
    audio=$(packets "$dir/$room.nut" a)
    video=$(packets "$dir/$room.nut" v)
    bytes=$(stat -c %s "$dir/$room.nut" 2>/dev/null || echo 0)
    echo "room $room received ${audio:-0} audio packets and ${video:-0} of $((seconds * 10)) video frames, $bytes bytes"
    ((${audio:-0} > 0 && ${video:-0} > 0)) || missing=1
done
((missing == 0)) || fail "something did not arrive"
