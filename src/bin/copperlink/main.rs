//! The copperlink program.
mod media;
mod settings;
fn main() {
    match settings::load(std::path::Path::new(&std::env::args().nth(1).unwrap())) {
        Ok(s) => println!("{s:?}"),
        Err(e) => {
            eprintln!("{e}");
            eprint!("{}", e.drawn(true));
        }
    }
}
