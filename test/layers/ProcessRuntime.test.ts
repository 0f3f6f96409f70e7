/** The process runtime: the conformance suite, and what only processes of the host can show. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Schedule, type Scope } from "effect"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import type { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import * as EmbeddedCatalog from "../../src/layers/embedded/EmbeddedCatalog.ts"
import * as Host from "../../src/layers/embedded/Host.ts"
import { endOrphans, isRoot, processOn, signal } from "../../src/layers/embedded/HostProcess.ts"
import { serverIdentity } from "../../src/layers/embedded/ServerIdentity.ts"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import * as Mariadb from "../../src/layers/runtime/MariadbServer.ts"
import * as ProcessRuntime from "../../src/layers/runtime/ProcessRuntime.ts"
import { Catalog } from "../../src/services/Catalog.ts"
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

const live = (
  name: string,
  test: (spec: DatabaseSpec) => Effect.Effect<void, unknown, DatabaseRuntime | DataFolder | Scope.Scope>
) =>
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

live("finds a server whose volume is gone, and ends that one and no other", (spec) =>
  Effect.gen(function* () {
    const runtime = yield* DatabaseRuntime
    const other = yield* instance("postgresql")
    yield* runtime.start(spec, quiet)
    yield* runtime.start(other, quiet)
    const folder = dirname(spec.volume)
    const pid = processOn(join(spec.volume, "data")) ?? 0
    // Stopped, it does not notice by itself.
    signal(pid, "SIGSTOP")
    rmSync(spec.volume, { recursive: true })
    assert.sameMembers([...(yield* runtime.list(folder))], [spec.volume, other.volume])
    assert.strictEqual(yield* runtime.status(spec), "absent")
    yield* runtime.remove(spec.instanceId, spec.volume)
    assert.deepEqual(yield* runtime.list(folder), [other.volume])
    assert.deepEqual(yield* leftovers(spec), [])
    assert.strictEqual(yield* runtime.status(other), "running")
  })
)

live("gives the server's files to the server's user and to nobody else", (spec) =>
  Effect.gen(function* () {
    yield* (yield* DatabaseRuntime).start(spec, quiet)
    const data = statSync(join(spec.volume, "data"))
    assert.strictEqual(data.mode & 0o777, 0o700)
    assert.strictEqual(data.uid, isRoot ? serverIdentity(spec.address).uid : process.getuid?.())
    assert.sameMembers(readdirSync(spec.volume), ["data", "server.conf", "logs"])
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

for (const version of ["16", "16.4", "PostgreSQL 16"]) {
  live(`makes no server of version "${version}" from the programs of another, and says which can be had`, (spec) =>
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      const error = yield* Effect.flip(runtime.start({ ...spec, version }, quiet))
      assert.strictEqual(error.message, "PostgreSQL 16 cannot be run here; 18 can.")
      assert.isFalse(error.transient)
      assert.strictEqual(yield* runtime.status(spec), "absent")
    })
  )
}

live("makes a server of the installed version, whatever comes after its first number", (spec) =>
  Effect.gen(function* () {
    const runtime = yield* DatabaseRuntime
    yield* runtime.start({ ...spec, version: "18.1" }, quiet)
    assert.strictEqual(yield* runtime.status(spec), "running")
  })
)

live("goes on with a server that was made, whatever its version is called by now", (spec) =>
  Effect.gen(function* () {
    const runtime = yield* DatabaseRuntime
    yield* runtime.start(spec, quiet)
    yield* runtime.stop(spec)
    yield* runtime.start({ ...spec, version: "16" }, quiet)
    assert.strictEqual(yield* runtime.status(spec), "running")
  })
)

live("takes nothing apart that the installed programs could not start again", (spec) =>
  Effect.gen(function* () {
    const runtime = yield* DatabaseRuntime
    yield* runtime.start(spec, quiet)
    const error = yield* Effect.flip(runtime.takeApart({ ...spec, version: "16" }, quiet))
    assert.strictEqual(error.message, "PostgreSQL 16 cannot be run here; 18 can.")
    assert.isFalse(error.transient)
    assert.strictEqual(yield* runtime.status(spec), "running")
  })
)

live("makes all that is offered where there are processes only", (spec) =>
  Effect.gen(function* () {
    const { host } = yield* Host.inspect("process")
    const context = yield* Layer.build(
      EmbeddedCatalog.layer(host).pipe(
        Layer.provide([MemoryStore.layer, ConfigProvider.layer(ConfigProvider.fromUnknown({}))])
      )
    )
    const offered = Context.get(context, Catalog).configured.datastores.flatMap(({ versions }) => versions)
    assert.isNotEmpty(offered)
    const runtime = yield* DatabaseRuntime
    for (const { manager: datastore, name: version } of offered) {
      yield* runtime.start({ ...spec, datastore, version }, quiet)
      yield* runtime.remove(spec.instanceId, spec.volume)
      rmSync(join(spec.volume, "data"), { recursive: true })
    }
  }).pipe(Effect.scoped)
)

/** A process of another user, or of ours, that nothing ends but a kill; in a session of its own. */
const stray = (uid: number | null, cwd: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess>((resume) => {
      const script = "trap '' INT QUIT TERM; while :; do sleep 0.1; done"
      const child = spawn("/bin/sh", ["-c", script, "sh", ...args], {
        ...(uid === null ? {} : { uid, gid: uid }),
        cwd,
        detached: true,
        stdio: "ignore"
      })
      child.once("spawn", () => resume(Effect.succeed(child)))
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Its end takes a moment to be told to us. */
const ended = (child: ChildProcess) => Effect.repeat(Effect.sleep(5), { until: () => child.signalCode !== null })

if (isRoot) {
  const uidOf = (spec: DatabaseSpec) => serverIdentity(spec.address).uid

  live("removes what a tenant started from inside the server and put out of its sight", (spec) =>
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      yield* runtime.start(spec, quiet)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* Effect.retry(connect(spec), { times: 200, schedule: Schedule.spaced("20 millis") })
          yield* client.query("COPY (SELECT 1) TO PROGRAM 'cd /; setsid nohup sleep 1000 >/dev/null 2>&1 &'")
        })
      )
      // It has no command line for the moment in which it becomes another program.
      yield* Effect.repeat(leftovers(spec), {
        until: (commands) => commands.join().includes("1000"),
        schedule: Schedule.spaced("5 millis")
      })
      yield* runtime.remove(spec.instanceId, spec.volume)
      assert.deepEqual(yield* leftovers(spec), [])
    })
  )

  live("stops and removes although a process of the server's user pretends to be the server", (spec) =>
    Effect.scoped(
      Effect.gen(function* () {
        const runtime = yield* DatabaseRuntime
        yield* runtime.start(spec, quiet)
        const data = join(spec.volume, "data")
        const stopped = yield* stray(uidOf(spec), "/", data)
        yield* runtime.stop(spec)
        yield* ended(stopped)
        assert.strictEqual(yield* runtime.status(spec), "stopped")
        const removed = yield* stray(uidOf(spec), "/", data)
        yield* stray(uidOf(spec), "/", data)
        yield* runtime.remove(spec.instanceId, spec.volume)
        yield* ended(removed)
        assert.deepEqual(yield* leftovers(spec), [])
      })
    )
  )

  live("ends what still runs as the server's user before it starts one", (spec) =>
    Effect.scoped(
      Effect.gen(function* () {
        const left = yield* stray(uidOf(spec), "/")
        yield* (yield* DatabaseRuntime).start(spec, quiet)
        yield* ended(left)
      })
    )
  )
}

live("lets a bystander be who works in the data folder as the same user", (spec) =>
  Effect.scoped(
    Effect.gen(function* () {
      const data = join(spec.volume, "data")
      mkdirSync(data)
      const bystander = yield* stray(null, data)
      yield* endOrphans(data)
      assert.isNull(bystander.signalCode)
      assert.isTrue(existsSync(`/proc/${bystander.pid}/cwd`))
      rmSync(data, { recursive: true })
    })
  )
)

live("does not take a host that cannot be looked at for one without a server", (spec) =>
  Effect.gen(function* () {
    // A path that is too long stands for whatever keeps the host from telling.
    const volume = join(spec.volume, "x".repeat(5000))
    const error = yield* Effect.flip((yield* DatabaseRuntime).status({ ...spec, volume }))
    assert.strictEqual(error._tag, "RuntimeError")
    assert.isTrue(error.transient)
    assert.notInclude(error.message, spec.volume)
  })
)

/** MariaDB where it is installed; elsewhere the refusal says so. */
if (Effect.runSync(Mariadb.isInstalled)) {
  databaseRuntimeConformance("ProcessRuntime, mariadb", {
    layer,
    spec: instance("mariadb"),
    connect: mariadbLogin,
    leftovers,
    interruptAfter: [50, 400]
  })

  it.live("makes no server of MariaDB from the programs of another", () =>
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      const spec = yield* instance("mariadb")
      const installed = yield* Mariadb.installedVersion
      const error = yield* Effect.flip(runtime.start({ ...spec, version: "5.5.68" }, quiet))
      assert.strictEqual(error.message, `MariaDB 5.5 cannot be run here; ${installed} can.`)
      assert.isFalse(error.transient)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
} else {
  it.live("says what to install for MariaDB, where it is missing", () =>
    Effect.gen(function* () {
      const runtime = yield* DatabaseRuntime
      const error = yield* Effect.flip(runtime.start(yield* instance("mariadb"), quiet))
      assert.include(error.detail, "mariadb-server-core")
      assert.notMatch(error.message, /mariadb-|Docker|\//)
      assert.isFalse(error.transient)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
}
