/** What is particular to the docker runtime: confinement, publication, labels, what is left, and what is told of pulls. */
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type FileSystem, Layer, Redacted, Schedule, type Scope } from "effect"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import { MariadbManager } from "../../src/guest/MariadbManager.ts"
import { PostgresManager } from "../../src/guest/PostgresManager.ts"
import { containerName, emptierFor, networkName } from "../../src/layers/runtime/docker/Container.ts"
import { Engine } from "../../src/layers/runtime/docker/Engine.ts"
import { greets } from "../../src/layers/runtime/docker/Greeting.ts"
import { emptyByContainer } from "../../src/layers/runtime/docker/Volume.ts"
import { databaseRuntimeConformance } from "../conformance/databaseRuntime.ts"
import { testImages } from "../images/build.ts"
import { containerSpec, containersOf, dockerLayer, missingEngine, mysqlLogin } from "../support/containers.ts"
import { postgresLogin } from "./embeddedFixture.ts"

type Needs = DatabaseRuntime | Engine | FileSystem.FileSystem | Scope.Scope

const quiet = () => Effect.void
const specOf = (datastore: "postgresql" | "mariadb", changes: Partial<DatabaseSpec> = {}) =>
  containerSpec(datastore, 10, changes)

const started = Effect.fnUntraced(function* (
  spec: DatabaseSpec,
  progress: (text: string) => Effect.Effect<void> = quiet
) {
  const runtime = yield* DatabaseRuntime
  yield* runtime.start(spec, progress)
  return runtime
})

const inspect = (spec: DatabaseSpec) =>
  Effect.gen(function* () {
    const { docker } = yield* Engine
    return yield* Effect.promise(() => docker.getContainer(containerName(spec.instanceId)).inspect())
  })

const serving = (spec: DatabaseSpec) =>
  Effect.repeat(greets({ ...spec, speaksFirst: spec.datastore !== "postgresql" }), { until: (answer) => answer })

const services = Layer.mergeAll(dockerLayer, NodeFileSystem.layer)
const limit = 60_000

const named = `DockerRuntime${missingEngine === null ? "" : ` (skipped: ${missingEngine})`}`

describe.skipIf(missingEngine !== null)(named, () => {
  for (const datastore of ["postgresql", "mariadb"] as const) {
    databaseRuntimeConformance(`conformance, ${datastore}`, {
      layer: dockerLayer,
      spec: specOf(datastore),
      connect: (spec) =>
        datastore === "mariadb"
          ? mysqlLogin(spec, "root", spec.adminPassword, "mysql")
          : postgresLogin({ ...spec, user: "postgres", password: spec.adminPassword, database: "postgres" }),
      leftovers: containersOf,
      memoryOf: ({ instanceId }) =>
        Effect.flatMap(Engine, ({ docker }) =>
          Effect.promise(async () => {
            const { HostConfig } = await docker.getContainer(containerName(instanceId)).inspect()
            assert.strictEqual(HostConfig.MemorySwap, HostConfig.Memory)
            return (HostConfig.Memory ?? 0) / 1024 ** 2
          })
        ),
      // While the container is made, while it starts, in the middle of the initialisation.
      interruptAfter: [15, 150, 600, 900]
    })
  }

  const test = (name: string, body: Effect.Effect<void, unknown, Needs>) =>
    it.live(name, () => body.pipe(Effect.scoped, Effect.provide(services)), limit)

  for (const datastore of ["postgresql", "mariadb"] as const) {
    test(
      `starts ${datastore} with its settings, in a container that is the same when they change`,
      Effect.gen(function* () {
        const spec = yield* specOf(datastore, { settings: { max_connections: 33 } })
        const { open } = datastore === "postgresql" ? PostgresManager : MariadbManager
        const session = yield* open(spec)
        const shown = Effect.scoped(
          Effect.gen(function* () {
            if (datastore === "mariadb") {
              const client = yield* mysqlLogin(spec, "os_admin", spec.adminPassword, "mysql")
              return (yield* client.query("SELECT @@GLOBAL.max_connections AS n")).map((row) => JSON.stringify(row))
            }
            const admin = { ...spec, user: "postgres", password: spec.adminPassword, database: "postgres" }
            const client = yield* postgresLogin(admin)
            return (yield* client.query("SHOW max_connections")).map((row) => JSON.stringify(row))
          })
        )
        const runtime = yield* started(spec)
        yield* Effect.retry(session.ping, { times: 1000, schedule: Schedule.spaced("50 millis") })
        assert.match((yield* shown).join(), /33/)
        const { Id } = yield* inspect(spec)
        const changed = { ...spec, settings: { max_connections: 44 } }
        yield* runtime.configure(changed)
        yield* runtime.stop(changed)
        yield* started(changed)
        yield* Effect.retry(session.ping, { times: 1000, schedule: Schedule.spaced("50 millis") })
        assert.match((yield* shown).join(), /44/)
        assert.strictEqual((yield* inspect(spec)).Id, Id)
      })
    )

    test(
      `confines ${datastore} to its flavor and to the capabilities of its entrypoint, and keeps others from its volume`,
      Effect.gen(function* () {
        const spec = yield* specOf(datastore)
        // As its home was made, before it was known what would live there.
        chmodSync(spec.volume, 0o711)
        yield* started(spec)
        assert.strictEqual(statSync(spec.volume).mode & 0o777, 0o700)
        const { Config, HostConfig } = yield* inspect(spec)
        assert.strictEqual(HostConfig.NanoCpus, 1e9)
        assert.strictEqual(HostConfig.Memory, 256 * 1024 * 1024)
        assert.strictEqual(HostConfig.MemorySwap, HostConfig.Memory)
        assert.strictEqual(HostConfig.PidsLimit, 256)
        assert.deepStrictEqual(HostConfig.CapDrop, ["ALL"])
        assert.deepStrictEqual([...HostConfig.CapAdd].sort(), ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"])
        assert.include(HostConfig.SecurityOpt, "no-new-privileges")
        assert.isFalse(HostConfig.Privileged)
        assert.propertyVal(Config, "StopSignal", datastore === "postgresql" ? "SIGINT" : "SIGTERM")
        assert.notInclude(JSON.stringify(yield* inspect(spec)), "s3cr3t")
      })
    )

    test(
      `makes ${datastore} serve on its address only, and again after a stop`,
      Effect.gen(function* () {
        const spec = yield* specOf(datastore)
        const told: Array<string> = []
        const runtime = yield* started(spec, (text) => Effect.sync(() => void told.push(text)))
        assert.deepStrictEqual(told, ["starting the database server", "initialising the database"])
        const speaksFirst = datastore === "mariadb"
        assert.isTrue(yield* greets({ ...spec, speaksFirst }))
        assert.isFalse(yield* greets({ ...spec, address: "127.78.10.250", speaksFirst }))
        assert.isFalse(yield* greets({ ...spec, address: "127.0.0.1", speaksFirst }))
        yield* runtime.stop(spec)
        assert.strictEqual(yield* runtime.status(spec), "stopped")
        assert.strictEqual((yield* inspect(spec)).State.ExitCode, 0)
        yield* runtime.start(spec, quiet)
        yield* serving(spec)
        assert.match(yield* runtime.logs(spec, 50), /ready (to accept|for) connections/)
      })
    )
  }

  test(
    "declares no volume of the engine's, and leaves nothing after removal but the data",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql")
      const { docker } = yield* Engine
      const before = (yield* Effect.promise(() => docker.listVolumes())).Volumes.length
      const runtime = yield* started(spec)
      assert.strictEqual((yield* Effect.promise(() => docker.listVolumes())).Volumes.length, before)
      yield* runtime.remove(spec.instanceId, spec.volume)
      assert.strictEqual(yield* runtime.status(spec), "absent")
      assert.strictEqual(yield* runtime.logs(spec, 5), "")
      yield* runtime.remove(spec.instanceId, spec.volume)
      assert.isTrue(statSync(join(spec.volume, "data", "PG_VERSION")).isFile())
      yield* emptyByContainer(docker, spec.instanceId, join(spec.volume, "data"), spec.image)
      assert.deepStrictEqual(readdirSync(join(spec.volume, "data")), [])
      assert.deepStrictEqual(yield* containersOf(spec), [])
    })
  )

  test(
    "discards the emptier of a process that was killed, when it empties again and when the instance is removed",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql")
      const { docker } = yield* Engine
      const runtime = yield* DatabaseRuntime
      const folder = join(spec.volume, "data")
      mkdirSync(folder)
      writeFileSync(join(folder, "file"), "")
      const leave = Effect.promise(() => docker.createContainer(emptierFor(spec.instanceId, folder, spec.image)))
      yield* leave
      yield* emptyByContainer(docker, spec.instanceId, folder, spec.image)
      assert.deepStrictEqual(readdirSync(folder), [])
      yield* leave
      assert.strictEqual((yield* containersOf(spec)).length, 1)
      yield* runtime.remove(spec.instanceId, spec.volume)
      assert.deepStrictEqual(yield* containersOf(spec), [])
    })
  )

  test(
    "keeps tenants' containers from reaching each other",
    Effect.gen(function* () {
      const { docker } = yield* Engine
      const [one, other] = [yield* specOf("postgresql"), yield* specOf("postgresql")]
      yield* Effect.all([started(one), started(other)], { concurrency: 2 })
      const target = (yield* inspect(other)).NetworkSettings.Networks[networkName]?.IPAddress
      const reach = (address: string) =>
        Effect.promise(async () => {
          const attempt = await docker
            .getContainer(containerName(one.instanceId))
            .exec({ AttachStdout: true, Cmd: ["timeout", "2", "bash", "-c", `</dev/tcp/${address}/5432`] })
          const output = await attempt.start({})
          await new Promise((resolve) => output.once("end", resolve).resume())
          return (await attempt.inspect()).ExitCode
        })
      assert.strictEqual(yield* reach("127.0.0.1"), 0)
      assert.notStrictEqual(yield* reach(target ?? ""), 0)
    })
  )

  test(
    "adopts the running container, starts it with the limits of its flavor, and replaces it for another version",
    Effect.gen(function* () {
      const spec = yield* specOf("mariadb")
      const runtime = yield* started(spec)
      const first = yield* inspect(spec)
      yield* runtime.start(spec, quiet)
      assert.strictEqual((yield* inspect(spec)).Id, first.Id)
      const larger = { ...spec, memoryMb: 512 }
      yield* runtime.stop(spec)
      yield* runtime.start(larger, quiet)
      const second = yield* inspect(spec)
      assert.strictEqual(second.Id, first.Id)
      assert.strictEqual(second.HostConfig.Memory, 512 * 1024 * 1024)
      yield* serving(larger)
      const other = { ...larger, version: `${spec.version}.1` }
      yield* runtime.start(other, quiet)
      assert.notStrictEqual((yield* inspect(spec)).Id, first.Id)
      yield* serving(other)
    })
  )

  test(
    "takes nothing apart whose image's name is another image's by now",
    Effect.gen(function* () {
      const { docker } = yield* Engine
      const name = `coffer-test/moved:${randomUUID()}`
      const call = (image: string) =>
        Effect.promise(() => docker.getImage(image).tag({ repo: "coffer-test/moved", tag: name.split(":")[1] ?? "" }))
      yield* Effect.acquireRelease(call(testImages.mariadb), () =>
        Effect.promise(() => docker.getImage(name).remove({ force: true }))
      )
      const spec = yield* specOf("mariadb", { image: name })
      const runtime = yield* started(spec)
      const { Id } = yield* inspect(spec)
      yield* call(testImages.postgresql)
      const error = yield* Effect.flip(runtime.takeApart(spec, quiet))
      assert.include(error.message, "another image by now")
      assert.isFalse(error.transient)
      assert.strictEqual(yield* runtime.status(spec), "running")
      assert.strictEqual((yield* inspect(spec)).Id, Id)
    })
  )

  test(
    "does not trust what an interrupted initialisation left",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql")
      const runtime = yield* DatabaseRuntime
      const { docker } = yield* Engine
      const starting = yield* Effect.forkChild(runtime.start(spec, quiet))
      const version = join(spec.volume, "data", "PG_VERSION")
      const exists = Effect.sync(() => statSync(version, { throwIfNoEntry: false }) !== undefined)
      yield* Effect.repeat(Effect.delay(exists, "5 millis"), { until: (there) => there })
      yield* Fiber.interrupt(starting)
      yield* Effect.promise(() => docker.getContainer(containerName(spec.instanceId)).kill())
      writeFileSync(join(spec.volume, "data", "half"), "")
      yield* runtime.start(spec, quiet)
      assert.isTrue(yield* greets({ ...spec, speaksFirst: false }))
      assert.notInclude(readdirSync(join(spec.volume, "data")), "half")
    })
  )

  test(
    "goes on with an initialisation that it was interrupted in",
    Effect.gen(function* () {
      const spec = yield* specOf("mariadb")
      const runtime = yield* DatabaseRuntime
      const starting = yield* Effect.forkChild(runtime.start(spec, quiet))
      yield* Effect.repeat(Effect.delay(runtime.status(spec), "5 millis"), { until: (status) => status === "running" })
      yield* Fiber.interrupt(starting)
      const { Id } = yield* inspect(spec)
      yield* runtime.start(spec, quiet)
      assert.strictEqual((yield* inspect(spec)).Id, Id)
      assert.isTrue(yield* greets({ ...spec, speaksFirst: true }))
    })
  )

  test(
    "says that the address is taken",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql")
      const squatter = createServer()
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void squatter.listen(spec.port, spec.address, () => resume(Effect.void))),
        () => Effect.sync(() => squatter.close())
      )
      const error = yield* Effect.flip(started(spec))
      assert.strictEqual(error.message, `The address ${spec.address}:5432 of the database cannot be taken.`)
      assert.isTrue(error.transient)
    })
  )

  test(
    "says that an image cannot be fetched, without the operator's detail",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql", { image: "127.0.0.1:1/nowhere/postgres:16" })
      const told: Array<string> = []
      const error = yield* Effect.flip(started(spec, (text) => Effect.sync(() => void told.push(text))))
      assert.deepStrictEqual(told, ["pulling the image"])
      assert.strictEqual(error.message, "The image of this datastore version could not be fetched.")
      assert.include(error.detail, spec.image)
      assert.include(error.detail, "connection refused")
      assert.isTrue(error.transient)
    })
  )

  test(
    "makes no volume where none is mounted",
    Effect.gen(function* () {
      const error = yield* Effect.flip(started(yield* specOf("postgresql", { volume: "/tmp/coffer-no-such-volume" })))
      assert.strictEqual(error.message, "The volume of the instance cannot be used.")
    })
  )

  test(
    "tells why an initialisation failed",
    Effect.gen(function* () {
      const error = yield* Effect.flip(started(yield* specOf("postgresql", { adminPassword: Redacted.make("") })))
      assert.strictEqual(error.message, "The database could not be initialised.")
      assert.include(error.detail, "password is not specified")
    })
  )

  test(
    "does not take a container that is not its own",
    Effect.gen(function* () {
      const spec = yield* specOf("postgresql")
      const { docker } = yield* Engine
      yield* Effect.acquireRelease(
        Effect.promise(() => docker.createContainer({ name: containerName(spec.instanceId), Image: spec.image })),
        (container) => Effect.promise(() => container.remove({ force: true, v: true }))
      )
      const runtime = yield* DatabaseRuntime
      assert.isFalse((yield* Effect.flip(runtime.start(spec, quiet))).transient)
      assert.isFalse((yield* Effect.flip(runtime.remove(spec.instanceId, spec.volume))).transient)
    })
  )

  const unprivileged = process.getuid?.() === 0 ? it.live : it.live.skip
  unprivileged(
    "lets an agent that is not root copy and remove files of the image's users, container or not, so that its volume can go (needs root to try)",
    () =>
      Effect.gen(function* () {
        const nobody = { uid: 65534, gid: statSync((yield* Engine).socket).gid }
        const program = join(import.meta.dirname, "dockerUnprivileged.ts")
        const output = yield* Effect.callback<string, Error>((resume) => {
          execFile(process.execPath, [program], nobody, (error, stdout) =>
            resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
          )
        })
        const left = ["logs", "secret", "settings"]
        const [served, upgraded] = [
          ["data", ...left],
          ["data", "data.old", ...left]
        ]
        assert.deepEqual(JSON.parse(output), {
          life: left,
          besideData: { hasRoom: true, copied: upgraded, back: served, forgotten: served },
          withoutContainer: left
        })
      }).pipe(Effect.provide(services)),
    limit
  )
})
