/** What this machine is found to be able to run databases with, by a container engine that comes and goes. */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Host from "../../src/layers/embedded/Host.ts"
import { LocalRuntimes } from "../../src/layers/embedded/LocalRuntimes.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"

/** An engine that is played, at a socket: no more than what it takes to be found. */
const engineAt = (socket: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((_, response) => response.end(JSON.stringify({ Version: "1", NCPU: 1 })))
      server.listen(socket, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-engine-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const noPrograms = Layer.succeed(PostgresBinaries, { initdb: "", postgres: "", owner: null })

it.effect("cannot run a new database while the container engine, which was there, does not answer", () =>
  Effect.gen(function* () {
    const socket = join(yield* temporaryFolder, "engine.sock")
    const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ DOCKER_HOST: `unix://${socket}` }))
    const power = yield* Scope.make()
    yield* Scope.provide(engineAt(socket), power)
    const found = yield* Effect.provide(Host.inspect("docker"), settings)
    const built = yield* Layer.build(Host.layer(found).pipe(Layer.provide([noPrograms, settings])))
    const { obstacle } = Context.get(built, LocalRuntimes)
    assert.isNull(yield* obstacle)
    yield* Scope.close(power, Exit.void)
    assert.strictEqual(yield* obstacle, "the container engine does not answer")
    yield* engineAt(socket)
    assert.isNull(yield* obstacle)
    const withoutEngine = Host.layer({ host: { ...found.host, runtime: "process" }, engine: Option.none() })
    const processes = yield* Layer.build(withoutEngine.pipe(Layer.provide([noPrograms, settings])))
    assert.isNull(yield* Context.get(processes, LocalRuntimes).obstacle)
  }).pipe(Effect.scoped)
)

it.effect(
  "finds the container engine when it comes up later, and new databases go on as was decided at the start",
  () =>
    Effect.gen(function* () {
      const socket = join(yield* temporaryFolder, "engine.sock")
      const settings = ConfigProvider.layer(ConfigProvider.fromUnknown({ DOCKER_HOST: `unix://${socket}` }))
      const found = { host: { runtime: "process", mariadb: Option.none() }, engine: Option.none() } as const
      const built = yield* Layer.build(Host.layer(found).pipe(Layer.provide([noPrograms, settings])))
      const { byKind, choose } = Context.get(built, LocalRuntimes)
      assert.isUndefined(byKind("docker"))
      yield* engineAt(socket)
      yield* TestClock.adjust(Host.lookAgainInterval)
      const runtime = yield* Effect.repeat(
        Effect.sync(() => byKind("docker")),
        { until: (runtime) => runtime !== undefined }
      )
      assert.strictEqual(runtime?.kind, "docker")
      assert.strictEqual(choose("postgresql"), "process")
    }).pipe(Effect.scoped)
)
