//! The only library folder with tokio, the clock, devices and sockets.
