//! The object store: what a URL names, and how objects get there and back.
//!
//! Credentials and endpoints come from the environment, under the names that the providers' own tools use (`AWS_…`,
//! `GOOGLE_…`, `AZURE_…`). The crate `object_store` signs requests and repeats those that fail.

use super::{
    BackupError, Result,
    cipher::{FRAME_BYTES, Key, Opening, Sealing},
    damaged, io,
};
use crate::tls;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart, local::LocalFileSystem, parse_url_opts, path,
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

/// A file of no more bytes goes in one request, a larger one in parts of so many.
const PART_BYTES: usize = 8 << 20;
/// Parts of a file under way.
const PARTS_AHEAD: usize = 4;
/// The largest object that is read into memory: manifests, and parts of the archive.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Limits what is sent to a number of bytes per second; 0 = no limit.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    sent: Mutex<(Instant, u64)>,
}

impl Pace {
    pub fn new(bytes_per_second: u64) -> Self {
        Pace { bytes_per_second, sent: Mutex::new((Instant::now(), 0)) }
    }

    async fn pass(&self, bytes: usize) {
        let wait = {
            let mut sent = self.sent.lock();
            sent.1 = sent.1.saturating_add(bytes as u64);
            let due = match self.bytes_per_second {
                0 => Duration::ZERO,
                rate => Duration::from_secs_f64(sent.1 as f64 / rate as f64),
            };
            due.saturating_sub(sent.0.elapsed())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Where backups are.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    root: path::Path,
    url: String,
    key: Option<Key>,
}

impl Objects {
    /// `file:///DIR`, `s3://BUCKET/PATH`, `gs://BUCKET/PATH`, `az://CONTAINER/PATH`.
    pub fn open(url: &str, key: Option<Key>) -> Result<Objects> {
        let refused = |why: &dyn std::fmt::Display| BackupError::Refused(format!("'{url}': {why}"));
        let parsed = Url::parse(url).map_err(|error| refused(&error))?;
        let schemes = ["file", "s3", "s3a", "gs", "az", "abfs", "abfss", "azure"];
        if !schemes.contains(&parsed.scheme()) || parsed.password().is_some() || parsed.query().is_some() {
            return Err(refused(
                &"not file:///DIR, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH",
            ));
        }
        tls::use_ring();
        let (store, root) = parse_url_opts(&parsed, env::vars()).map_err(|error| refused(&error))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "file" => Arc::new(LocalFileSystem::new().with_fsync(true)),
            _ => Arc::from(store),
        };
        Ok(Objects { store, root, url: url.trim_end_matches('/').to_owned(), key })
    }

    /// An object as an operator may look it up.
    pub fn name(&self, object: &str) -> String {
        format!("{}/{object}", self.url)
    }

    fn at(&self, object: &str) -> path::Path {
        object.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    fn failed(&self, what: &str, object: &str) -> impl FnOnce(object_store::Error) -> BackupError + use<> {
        let what = format!("{what} {}", self.name(object));
        move |source| BackupError::Objects { what, source }
    }

    /// Writes an object whole.
    pub async fn put(&self, object: &str, bytes: Vec<u8>) -> Result<u64> {
        let bytes = match &self.key {
            None => bytes,
            Some(key) => {
                let (mut sealing, mut out) = Sealing::begin(key)?;
                let mut frames = bytes.chunks(FRAME_BYTES).peekable();
                if bytes.is_empty() {
                    out.extend(sealing.seal(Vec::new(), true)?);
                }
                while let Some(frame) = frames.next() {
                    out.extend(sealing.seal(frame.to_vec(), frames.peek().is_none())?);
                }
                out
            }
        };
        let len = bytes.len() as u64;
        let done = self.store.put(&self.at(object), PutPayload::from(bytes)).await;
        done.map_err(self.failed("write", object))?;
        Ok(len)
    }

    /// Writes a file as an object; its SHA-256. `tell` gets the bytes as they leave.
    pub async fn put_file(
        &self,
        object: &str,
        from: &Path,
        pace: &Pace,
        tell: &(dyn Fn(u64) + Sync),
    ) -> Result<String> {
        let reading = || io(format!("read {}", from.display()));
        let mut file = File::open(from).map_err(reading())?;
        let bytes = file.metadata().map_err(reading())?.len();
        let (mut sealing, head) = match &self.key {
            None => (None, Vec::new()),
            Some(key) => Sealing::begin(key).map(|(sealing, head)| (Some(sealing), head))?,
        };
        let begun = || async {
            let upload = self.store.put_multipart(&self.at(object)).await;
            let upload = upload.map_err(self.failed("write", object))?;
            Ok::<_, BackupError>(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
        };
        let is_small = bytes <= PART_BYTES as u64;
        let mut upload = if is_small { None } else { Some(begun().await?) };
        let (mut whole, mut hash, mut left) = (head, Sha256::new(), bytes);
        if let Some(upload) = &mut upload {
            upload.put(Bytes::from(std::mem::take(&mut whole)));
        }
        loop {
            let mut frame = vec![0; FRAME_BYTES.min(usize::try_from(left).unwrap_or(FRAME_BYTES))];
            file.read_exact(&mut frame).map_err(reading())?;
            left = left.saturating_sub(frame.len() as u64);
            hash.update(&frame);
            pace.pass(frame.len()).await;
            tell(frame.len() as u64);
            let frame = match &mut sealing {
                None => frame,
                Some(sealing) => sealing.seal(frame, left == 0)?,
            };
            match &mut upload {
                None => whole.extend_from_slice(&frame),
                Some(upload) => {
                    upload.wait_for_capacity(PARTS_AHEAD).await.map_err(self.failed("write", object))?;
                    upload.put(Bytes::from(frame));
                }
            }
            if left == 0 {
                break;
            }
        }
        let done = match upload {
            None => self.store.put(&self.at(object), PutPayload::from(whole)).await,
            Some(upload) => upload.finish().await,
        };
        done.map_err(self.failed("write", object))?;
        Ok(hex(&hash.finalize()))
    }

    /// Reads an object whole.
    pub async fn get(&self, object: &str) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        self.read(object, &mut |part| {
            plain.extend_from_slice(part);
            match plain.len() as u64 > OBJECT_BYTES_MAX {
                true => damaged(&self.name(object), "it is too large"),
                false => Ok(()),
            }
        })
        .await?;
        Ok(plain)
    }

    /// Reads an object into a new file, which is on disk when this returns; its length and SHA-256.
    pub async fn get_file(
        &self,
        object: &str,
        to: &Path,
        tell: &(dyn Fn(u64) + Sync),
    ) -> Result<(u64, String)> {
        let writing = || io(format!("write {}", to.display()));
        let mut file = File::create_new(to).map_err(writing())?;
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        self.read(object, &mut |part| {
            hash.update(part);
            bytes = bytes.saturating_add(part.len() as u64);
            tell(part.len() as u64);
            file.write_all(part).map_err(writing())
        })
        .await?;
        file.sync_all().map_err(writing())?;
        Ok((bytes, hex(&hash.finalize())))
    }

    async fn read(&self, object: &str, take: &mut (dyn FnMut(&[u8]) -> Result<()> + Send)) -> Result<()> {
        let name = self.name(object);
        let mut opening = Opening::new(&name, self.key.as_ref());
        let found = self.store.get(&self.at(object)).await.map_err(self.failed("read", object))?;
        let mut parts = found.into_stream();
        while let Some(part) = parts.next().await {
            take(&opening.take(&part.map_err(self.failed("read", object))?)?)?;
        }
        take(&opening.end()?)
    }

    /// All objects whose names begin with `prefix/`, without that, and when they were written, in seconds since the epoch.
    pub async fn list(&self, prefix: &str) -> Result<BTreeMap<String, i64>> {
        let at = self.at(prefix);
        let found: Vec<_> =
            self.store.list(Some(&at)).try_collect().await.map_err(self.failed("list", prefix))?;
        let within = |path: &path::Path| {
            let parts = path.prefix_match(&at)?;
            Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        Ok(found
            .iter()
            .filter_map(|object| Some((within(&object.location)?, object.last_modified.timestamp())))
            .collect())
    }

    /// Removes objects; those that are gone already are no error.
    pub async fn delete(&self, objects: &[String]) -> Result<()> {
        let at: Vec<_> = objects.iter().map(|object| Ok(self.at(object))).collect();
        let mut done = self.store.delete_stream(stream::iter(at).boxed());
        while let Some(deleted) = done.next().await {
            match deleted {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(BackupError::Objects { what: format!("delete from {}", self.url), source });
                }
            }
        }
        Ok(())
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn objects_come_back_as_they_were_with_and_without_a_key() {
        let home = tempfile::tempdir().unwrap();
        let key_file = home.path().join("key");
        fs::write(&key_file, "0f".repeat(32)).unwrap();
        for key in [None, Some(Key::read(&key_file).unwrap())] {
            let url = format!("file://{}/store-{}/deep", home.path().display(), key.is_some());
            let objects = Objects::open(&url, key.clone()).unwrap();
            assert!(objects.list("files").await.unwrap().is_empty());
            for len in [0, 1, FRAME_BYTES, PART_BYTES, PART_BYTES + 3 * FRAME_BYTES + 7] {
                let bytes: Vec<u8> = (0..len).map(|at| (at * 7 % 251) as u8).collect();
                let (from, to) = (home.path().join("from"), home.path().join("to"));
                fs::write(&from, &bytes).unwrap();
                let sum = objects.put_file("files/one", &from, &Pace::new(0), &|_| ()).await.unwrap();
                let found = objects.get_file("files/one", &to, &|_| ()).await.unwrap();
                assert_eq!(found, (len as u64, sum));
                assert!(fs::read(&to).unwrap() == bytes, "{len}");
                fs::remove_file(&to).unwrap();
                objects.put("small/one", bytes.clone()).await.unwrap();
                assert!(objects.get("small/one").await.unwrap() == bytes, "{len}");
            }
            let stored =
                fs::read(home.path().join(format!("store-{}/deep/files/one", key.is_some()))).unwrap();
            assert_eq!(stored.windows(8).any(|part| part == [0, 7, 14, 21, 28, 35, 42, 49]), key.is_none());
            let names: Vec<String> = objects.list("files").await.unwrap().into_keys().collect();
            assert_eq!(names, ["one"]);
            objects.delete(&["files/one".into(), "files/none".into()]).await.unwrap();
            assert!(objects.list("files").await.unwrap().is_empty());
            assert!(objects.get("files/one").await.unwrap_err().to_string().contains("files/one"));
        }
    }

    #[test]
    fn only_urls_of_object_stores_are_taken() {
        for url in ["/dir", "http://h/x", "ftp://h/x", "s3://user:secret@bucket/x", "s3://bucket/x?y=1", ""] {
            assert!(Objects::open(url, None).is_err(), "{url}");
        }
    }
}
