//! Client libraries that speak TLS, with certificates of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use redis::{AsyncCommands, AsyncConnectionConfig, Client, ClientTlsConfig, Commands, TlsCertificates};
use resp_tests::installed::installed;

use crate::{Guarded, WAIT};

const PYTHON: &str = r#"
import redis, sys
port, ca, certificate, key = sys.argv[1:]
for protocol in (2, 3):
    client = redis.Redis(host="127.0.0.1", port=int(port), ssl=True, ssl_ca_certs=ca, ssl_certfile=certificate, ssl_keyfile=key,
                         protocol=protocol)
    assert client.set("py", "x" * 300_000) and len(client.get("py")) == 300_000
    pipe = client.pipeline()
    for n in range(1000):
        pipe.incr("py:n")
    assert pipe.execute()[-1] == 1000 * (protocol - 1)
"#;

const NODE: &str = r#"
const [port, ca, cert, key] = process.argv.slice(1);
const fs = require("node:fs"), Redis = require("ioredis");
const tls = { ca: fs.readFileSync(ca), cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
(async () => {
  const client = new Redis({ host: "127.0.0.1", port: Number(port), tls });
  await client.set("node", "x".repeat(300_000));
  if ((await client.get("node")).length !== 300_000) throw new Error("lost");
  const pipeline = client.pipeline();
  for (let n = 0; n < 1000; n++) pipeline.incr("node:n");
  const replies = await pipeline.exec();
  if (replies.at(-1)[1] !== 1000) throw new Error(String(replies.at(-1)));
  await client.quit();
})().catch((error) => { console.error(error); process.exit(1); });
"#;

fn runs(command: &mut Command, port: u16, files: &[PathBuf; 3]) {
    let [certificate, key, ca] = files;
    let output = command.arg(port.to_string()).args([ca, certificate, key]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn redis_py_and_ioredis_speak_tls_with_certificates() {
    let guarded = Guarded::start(&[]);
    let own = guarded.authority.files("client", &["a client"], |_| {});
    runs(Command::new(installed("python/bin/python")).args(["-c", PYTHON]), guarded.port, &own);
    let mut node = Command::new("node");
    node.env("NODE_PATH", installed("node/node_modules")).args(["-e", NODE]);
    runs(&mut node, guarded.port, &own);
}

#[test]
fn redis_rs_speaks_tls_with_certificates() {
    let guarded = Guarded::start(&[]);
    let own = guarded.authority.files("client", &["a client"], |_| {});
    let [client_cert, client_key, ca] = own.map(|path| fs::read(path).unwrap());
    for protocol in ["resp2", "resp3"] {
        let certificates = TlsCertificates {
            client_tls: Some(ClientTlsConfig {
                client_cert: client_cert.clone(),
                client_key: client_key.clone(),
            }),
            root_cert: Some(ca.clone()),
        };
        let url = format!("rediss://127.0.0.1:{}/?protocol={protocol}", guarded.port);
        let client = Client::build_with_tls(url, certificates).unwrap();
        let large = "x".repeat(300_000);
        let mut blocking = client.get_connection().unwrap();
        let _: () = blocking.set("rs", &large).unwrap();
        assert_eq!(blocking.get::<_, String>("rs").unwrap(), large);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // The library's own time is too short for a machine that has other things to do.
            let patient = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(WAIT))
                .set_response_timeout(Some(WAIT));
            let mut manager = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
            let mut pipe = redis::pipe();
            for _ in 0..1000 {
                pipe.incr(protocol, 1);
            }
            let replies: Vec<i64> = pipe.query_async(&mut manager).await.unwrap();
            assert_eq!(replies.last(), Some(&1000));
            assert_eq!(manager.get::<_, String>("rs").await.unwrap(), large);
        });
    }
    // One that shows no certificate gets nothing.
    let without = TlsCertificates { client_tls: None, root_cert: Some(ca) };
    let client = Client::build_with_tls(format!("rediss://127.0.0.1:{}/", guarded.port), without).unwrap();
    assert!(client.get_connection().and_then(|mut connection| connection.get::<_, String>("rs")).is_err());
}
