/** Pulls, against an engine that is played: no registry can be counted on where tests run. */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import Dockerode from "dockerode"
import { Deferred, Effect, Fiber } from "effect"
import { ensureImage } from "../../src/layers/runtime/docker/Image.ts"

const image = "registry.example/postgres:16"

/** An engine that has the image once it was pulled; `pull` plays its answer. */
const engine = (pull: (response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly docker: Dockerode; readonly close: () => void }>((resume) => {
      const folder = mkdtempSync(join(tmpdir(), "coffer-engine-"))
      let pulled = false
      const server = createServer((request, response) => {
        response.setHeader("content-type", "application/json")
        if (request.method === "POST") {
          assert.include(request.url, "fromImage=registry.example%2Fpostgres&tag=16")
          response.once("close", () => (pulled = response.writableFinished))
          pull(response)
        } else {
          response.statusCode = pulled ? 200 : 404
          response.end(JSON.stringify(pulled ? { Id: "sha256:1", Config: {} } : { message: "No such image" }))
        }
      })
      const close = () => {
        server.closeAllConnections()
        server.close()
        rmSync(folder, { recursive: true, force: true })
      }
      const socketPath = join(folder, "engine.sock")
      server.listen(socketPath, () => resume(Effect.succeed({ docker: new Dockerode({ socketPath }), close })))
    }),
    ({ close }) => Effect.sync(close)
  )

const line = (value: unknown) => `${JSON.stringify(value)}\r\n`
const downloading = (id: string, current: number, total: number) =>
  line({ status: "Downloading", id, progressDetail: { current, total } })

it.live("tells each ten percent of a pull once, over all layers, and then knows the image", () =>
  Effect.gen(function* () {
    const { docker } = yield* engine((response) => {
      response.write(line({ status: "Pulling from postgres", id: "16" }))
      for (let done = 0; done <= 100; done += 4) response.write(downloading("a", done, 100))
      // A line that arrives in two pieces, and a layer that is found late: what was told is not taken back.
      const late = downloading("b", 50, 100)
      response.write(late.slice(0, 20))
      setTimeout(() => response.end(late.slice(20) + downloading("b", 100, 100) + line({ status: "Pull complete" })), 5)
    })
    const told: Array<string> = []
    const found = yield* ensureImage(docker, image, (text) => Effect.sync(() => void told.push(text)))
    assert.strictEqual(found.Id, "sha256:1")
    const percentages = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((n) => `pulling the image, ${n} %`)
    assert.deepEqual(told, ["pulling the image", ...percentages])
    yield* ensureImage(docker, image, (text) => Effect.sync(() => void told.push(text)))
    assert.strictEqual(told.length, 12)
  }).pipe(Effect.scoped)
)

it.live("tells apart an image that is not there from a pull that may work later", () =>
  Effect.gen(function* () {
    const quiet = () => Effect.void
    const absent = yield* engine((response) => {
      response.statusCode = 404
      response.end(JSON.stringify({ message: "manifest unknown" }))
    })
    const never = yield* Effect.flip(ensureImage(absent.docker, image, quiet))
    assert.strictEqual(never.message, "The image of this datastore version does not exist.")
    assert.include(never.detail, image)
    assert.isFalse(never.transient)
    const broken = yield* engine((response) => {
      response.end(
        downloading("a", 1, 100) + line({ error: "unexpected EOF", errorDetail: { message: "unexpected EOF" } })
      )
    })
    const later = yield* Effect.flip(ensureImage(broken.docker, image, quiet))
    assert.strictEqual(later.message, "The image of this datastore version could not be fetched.")
    assert.include(later.detail, "unexpected EOF")
    assert.isTrue(later.transient)
  }).pipe(Effect.scoped)
)

it.live("lets go of the engine when it is interrupted, which ends the pull there", () =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const left = yield* Deferred.make<void>()
    const { docker } = yield* engine((response) => {
      response.once("close", () => Deferred.doneUnsafe(left, Effect.void))
      response.write(downloading("a", 1, 100))
    })
    const onProgress = (text: string) => (text.endsWith("%") ? Deferred.succeed(begun, undefined) : Effect.void)
    const pulling = yield* Effect.forkChild(ensureImage(docker, image, onProgress))
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(pulling)
    yield* Deferred.await(left)
  }).pipe(Effect.scoped)
)
