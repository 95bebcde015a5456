//! Keys and signatures as `minisign` makes them, by Node's own cryptography: what a maintainer
//! of a catalogue has.

use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a key pair, and prints the public key and the secret key in PEM, as JSON.
const GENERATE: &str = r"
    const pair = crypto.generateKeyPairSync('ed25519')
    const raw = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x, 'base64url')
    const key = Buffer.concat([Buffer.from('Ed'), Buffer.from('testtest'), raw])
    const secret = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
    console.log(JSON.stringify([key.toString('base64'), secret]))";

/// Signs the file of the first argument with the key that comes on standard input.
const SIGN: &str = r"
    const secret = crypto.createPrivateKey(fs.readFileSync(0))
    const hash = crypto.createHash('blake2b512').update(fs.readFileSync(process.argv[1])).digest()
    const signature = crypto.sign(null, hash, secret)
    const comment = 'of a test'
    const all = crypto.sign(null, Buffer.concat([signature, Buffer.from(comment)]), secret)
    const head = Buffer.concat([Buffer.from('ED'), Buffer.from('testtest'), signature])
    fs.writeFileSync(process.argv[1] + '.minisig', [
      'untrusted comment: of a test', head.toString('base64'),
      'trusted comment: ' + comment, all.toString('base64'), ''
    ].join('\n'))";

/// A key pair.
#[derive(Debug)]
pub struct Key {
    /// The line of `minisign.pub`.
    pub public: String,
    secret: String,
}

impl Key {
    /// Makes a key pair.
    ///
    /// # Errors
    ///
    /// When Node cannot be run.
    pub fn generate() -> anyhow::Result<Self> {
        let printed = node(GENERATE, &[], "")?;
        let (public, secret) = serde_json::from_str(&printed)?;
        Ok(Self { public, secret })
    }

    /// Writes the signature of a file beside it.
    ///
    /// # Errors
    ///
    /// When Node cannot be run, or a file not be read or written.
    pub fn sign(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.to_str().context("a path that is not UTF-8")?;
        node(SIGN, &[file], &self.secret).map(drop)
    }
}

fn node(script: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("node")
        .args(["-e", script, "--"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run node")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("node ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
