/** How the process ends when it is told to stop: what serves has done its work, a command has not. */
import { createServer } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { codeOfInterruption } from "../../src/cli/ending.ts"
import { fileWith, key, temporaryFolder } from "../config/fixture.ts"
import { started } from "./process.ts"

/** Takes connections on a free port, says nothing, and tells of the first one. */
const silentServer = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const port = yield* Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        Deferred.doneUnsafe(asked, Effect.void)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
  return { port: port.port, asked: Deferred.await(asked) }
})

const freePort = Effect.map(Effect.scoped(silentServer), ({ port }) => port)

describe("told to stop", () => {
  it.live.each([
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)("by %s, a command ends with %i", ([signal, code]) =>
    Effect.gen(function* () {
      const { asked, port } = yield* silentServer
      const { ended, kill } = yield* started(["instance", "list", "--url", `http://127.0.0.1:${port}`])
      yield* asked
      kill(signal)
      expect(yield* Effect.promise(() => ended)).toEqual({ code, out: "", err: "" })
    }).pipe(Effect.scoped)
  )

  it.live.each(["SIGINT", "SIGTERM"] as const)("by %s, what serves ends with 0", (signal) =>
    Effect.gen(function* () {
      const { asked, port } = yield* silentServer
      const folder = yield* temporaryFolder
      const config = yield* fileWith(`
[guestagent]
name = "ending"
urls = ["amqp://host:secret@127.0.0.1:${port}"]
key = "${key}"
runtime = "process"
data_dir = "${join(folder, "data")}"
[health]
guestagent_port = ${yield* freePort}`)
      const { ended, kill } = yield* started(["guestagent", "--config", config])
      yield* asked
      kill(signal)
      expect((yield* Effect.promise(() => ended)).code).toBe(0)
    }).pipe(Effect.scoped)
  )

  it("by nobody knows what, a command has failed", () => {
    expect(codeOfInterruption(null)).toBe(1)
  })
})
