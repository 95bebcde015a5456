//! Embeds the bundle `host` of daemon/web.

fn main() -> Result<(), atek_web_embed::build::Error> {
    atek_web_embed::build::embed("host")
}
