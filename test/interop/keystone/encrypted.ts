/** A proxy with TLS, by an authority of its own, before a server that has none. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import { join } from "node:path"
import { Effect } from "effect"

/** Makes a certificate for loopback in `folder`; the proxy is there until the scope closes. */
export const encrypted = Effect.fnUntraced(function* (target: () => string, folder: string) {
  const [keyFile, caFile] = [join(folder, "tls-key.pem"), join(folder, "tls-cert.pem")]
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
  const name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", keyFile, "-out", caFile], { stdio: "ignore" })
  const server = https.createServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (asked, answer) => {
    const { headers, method = "GET", url = "/" } = asked
    const passed = http.request(new URL(url, target()), { method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(answer)
    })
    passed.on("error", () => answer.destroy())
    asked.pipe(passed)
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )
  return { caFile, url: `https://127.0.0.1:${port}/v3` }
})
