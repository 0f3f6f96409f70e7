/** The process runtime: the conformance suite, and what only processes of the host can show. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import { isRoot, processOn, signal } from "../../src/layers/embedded/HostProcess.ts"
import { serverIdentity } from "../../src/layers/embedded/ServerIdentity.ts"
import * as ProcessRuntime from "../../src/layers/runtime/ProcessRuntime.ts"
import { databaseRuntimeConformance } from "../conformance/databaseRuntime.ts"
import { embeddedLayer, instance, mariadbLogin, postgresLogin } from "./embeddedFixture.ts"

const layer = ProcessRuntime.layer.pipe(Layer.provideMerge(embeddedLayer))

const connect = (spec: DatabaseSpec) =>
  postgresLogin({ ...spec, user: "postgres", password: spec.adminPassword, database: "postgres" })

/** Every process whose command line or environment names the volume, or that runs as the instance's own user. */
const leftovers = (spec: DatabaseSpec) =>
  Effect.sync(() =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, "utf8")
          const own = isRoot && statSync(`/proc/${pid}`).uid === serverIdentity(spec.address).uid
          return command !== "" && (own || command.includes(spec.volume)) ? [command] : []
        } catch {
          return []
        }
      })
  )

databaseRuntimeConformance("ProcessRuntime, postgresql", {
  layer,
  spec: instance("postgresql"),
  connect,
  leftovers,
  interruptAfter: [20, 150, 350]
})

const live = (name: string, test: (spec: DatabaseSpec) => Effect.Effect<void, unknown, DatabaseRuntime>) =>
  it.live(name, () => instance("postgresql").pipe(Effect.flatMap(test), Effect.scoped, Effect.provide(layer)), 60_000)

const quiet = () => Effect.void

live("starts a server again that was killed", (spec) =>
  Effect.scoped(
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      yield* runtime.start(spec, quiet)
      const pid = processOn(join(spec.volume, "data")) ?? 0
      signal(pid, "SIGKILL")
      while ((yield* runtime.status(spec)) === "running") yield* Effect.sleep(5)
      yield* runtime.start(spec, quiet)
      yield* Effect.retry(connect(spec), { times: 200, schedule: Schedule.spaced("20 millis") })
    })
  )
)

live("gives the server's files to the server's user and to nobody else", (spec) =>
  Effect.gen(function* () {
    yield* (yield* DatabaseRuntime).start(spec, quiet)
    const data = statSync(join(spec.volume, "data"))
    assert.strictEqual(data.mode & 0o777, 0o700)
    assert.strictEqual(data.uid, isRoot ? serverIdentity(spec.address).uid : process.getuid?.())
    assert.sameMembers(readdirSync(spec.volume), ["data", "server.log"])
  })
)

live("keeps our environment from the server", (spec) =>
  Effect.gen(function* () {
    process.env["COFFER_TEST_SECRET"] = "secret-of-ours"
    yield* (yield* DatabaseRuntime).start(spec, quiet)
    const environment = readFileSync(`/proc/${processOn(join(spec.volume, "data"))}/environ`, "utf8")
    assert.notInclude(environment, "secret-of-ours")
  })
)

/** MariaDB where it is installed; elsewhere the refusal says so. */
const mariadbd = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin"].some((at) => existsSync(join(at, "mariadbd")))

if (mariadbd) {
  databaseRuntimeConformance("ProcessRuntime, mariadb", {
    layer,
    spec: instance("mariadb"),
    connect: mariadbLogin,
    leftovers,
    interruptAfter: [50, 400]
  })
} else {
  it.live("says what to install for MariaDB, where it is missing", () =>
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      const error = yield* Effect.flip(runtime.start(yield* instance("mariadb"), quiet))
      assert.include(error.message, "mariadb-server-core")
      assert.isFalse(error.transient)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
}
