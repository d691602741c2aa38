// Makes a container in Azurite: PORT CONTAINER. The account is the one that Microsoft documents for it, key and all.
const crypto = require("crypto"), http = require("http");
const [port, container] = process.argv.slice(2);
const account = "devstoreaccount1";
const key = Buffer.from(
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==", "base64");
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06", "Content-Length": 0 };
// PUT, eleven headers that are empty, those of Microsoft's own, the resource.
const text = ["PUT", ...Array(11).fill(""), `x-ms-date:${headers["x-ms-date"]}`, `x-ms-version:${headers["x-ms-version"]}`,
  `/${account}/${account}/${container}`, "restype:container"].join("\n");
headers.Authorization = `SharedKey ${account}:${crypto.createHmac("sha256", key).update(text).digest("base64")}`;
const path = `/${account}/${container}?restype=container`;
const request = http.request({ host: "127.0.0.1", port, method: "PUT", path, headers }, answer => {
  answer.resume();
  // 409: it is there.
  process.exitCode = [201, 409].includes(answer.statusCode) ? 0 : 1;
});
request.on("error", () => { process.exitCode = 1; });
request.end();
