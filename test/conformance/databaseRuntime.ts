/**
 * What every DatabaseRuntime does, whatever it runs databases with. An adapter's test gives the adapter as a
 * layer, specs to run (each removed with its scope), a way to log in, and a look at what is left of a server.
 */
import { createServer } from "node:net"
import { dirname } from "node:path"
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, Fiber, type Layer, Redacted, Schedule, type Scope } from "effect"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"

/** One client's connection. */
export interface Client {
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<unknown>, unknown>
}

export interface DatabaseRuntimeSubject<R> {
  readonly layer: Layer.Layer<DatabaseRuntime | R, unknown>
  /** A spec with an instance id, address and volume of its own; what was run by it is gone after the scope. */
  readonly spec: Effect.Effect<DatabaseSpec, never, Scope.Scope | DatabaseRuntime | R>
  /** Logs in as the administrator, once; fails when there is nobody or it is refused. */
  readonly connect: (spec: DatabaseSpec) => Effect.Effect<Client, unknown, Scope.Scope>
  /** Names of what is still there of an instance: processes, containers. */
  readonly leftovers: (spec: DatabaseSpec) => Effect.Effect<ReadonlyArray<string>, never, R>
  /** MB that the server may have of its host; not there where nobody limits that. */
  readonly memoryOf?: (spec: DatabaseSpec) => Effect.Effect<number, unknown, R>
  /** Moments of a first start at which to interrupt it, in ms. */
  readonly interruptAfter: ReadonlyArray<number>
  /** Another program listens where the spec's server would; a real one unless told. */
  readonly occupy?: (spec: DatabaseSpec) => Effect.Effect<unknown, never, Scope.Scope>
}

const timeout = 60_000
const quiet = () => Effect.void

export const databaseRuntimeConformance = <R>(name: string, subject: DatabaseRuntimeSubject<R>) => {
  const patiently = (spec: DatabaseSpec) =>
    Effect.retry(subject.connect(spec), { schedule: Schedule.spaced("50 millis"), times: 600 })

  withLayer(subject.layer, { timeout: Duration.millis(timeout), excludeTestServices: true })(name, (it) => {
    const behaves = (
      behaviour: string,
      test: (
        spec: DatabaseSpec,
        runtime: DatabaseRuntime["Service"]
      ) => Effect.Effect<void, unknown, Scope.Scope | DatabaseRuntime | R>
    ) =>
      it.effect(
        behaviour,
        () =>
          Effect.gen(function* () {
            yield* test(yield* subject.spec, yield* DatabaseRuntime)
          }),
        timeout
      )

    behaves("knows nothing of an instance that never was, and removes it all the same", (spec, runtime) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* runtime.status(spec), "absent")
        yield* runtime.stop(spec)
        yield* runtime.remove(spec.instanceId, spec.volume)
        assert.strictEqual(yield* runtime.status(spec), "absent")
      })
    )

    behaves(
      "initialises and starts a server, tells progress, of its machine and its process, and has it logged",
      (spec, runtime) =>
        Effect.gen(function* () {
          const told: Array<string> = []
          yield* runtime.start(spec, (text) => Effect.sync(() => told.push(text)))
          yield* (yield* patiently(spec)).query("SELECT 1")
          assert.strictEqual(yield* runtime.status(spec), "running")
          assert.isAbove(told.length, 0)
          const lines = (yield* runtime.logs(spec, 2)).split("\n")
          assert.isTrue(lines.length <= 2 && lines.every((line) => line.length > 0))
          const hardware = yield* runtime.hardware(spec)
          const facts = yield* runtime.process(spec)
          if (hardware === null || facts === null) return assert.fail("it tells that nothing runs")
          if (subject.memoryOf !== undefined)
            assert.strictEqual(hardware.mem_total, (yield* subject.memoryOf(spec)) * 1024)
          assert.isTrue(hardware.mem_total > 0 && hardware.num_cpus > 0)
          assert.isTrue(facts.threads > 0 && facts.fd_size > 0)
          assert.isTrue(facts.vm_rss > 0 && facts.vm_rss <= facts.vm_hwm)
          assert.isTrue(facts.vm_size > facts.vm_rss && facts.vm_size <= facts.vm_peak)
        })
    )

    behaves("lets nobody in with another password", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.start(spec, quiet)
        yield* patiently(spec)
        yield* Effect.flip(subject.connect({ ...spec, adminPassword: Redacted.make("another") }))
      })
    )

    behaves("adopts a running server: a client that is connected does not notice a second start", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.start(spec, quiet)
        const client = yield* patiently(spec)
        yield* runtime.start(spec, quiet)
        yield* client.query("SELECT 1")
      })
    )

    behaves("stops, or is taken apart, and starts again with the same data", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.start(spec, quiet)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* patiently(spec)
            yield* client.query("CREATE TABLE kept (n int)")
            yield* client.query("INSERT INTO kept VALUES (7)")
          })
        )
        yield* runtime.stop(spec)
        yield* runtime.stop(spec)
        assert.strictEqual(yield* runtime.status(spec), "stopped")
        yield* Effect.flip(subject.connect(spec))
        assert.isNull(yield* runtime.hardware(spec))
        assert.isNull(yield* runtime.process(spec))
        yield* runtime.start(spec, quiet)
        const rows = Effect.scoped(Effect.flatMap(patiently(spec), (client) => client.query("SELECT n FROM kept")))
        assert.deepEqual(yield* rows, [{ n: 7 }])
        const before = yield* subject.leftovers(spec)

        // Twice, as by an agent that died on the way; and with nothing there, as where somebody has removed it.
        yield* runtime.takeApart(spec, quiet)
        yield* runtime.takeApart(spec, quiet)
        assert.notStrictEqual(yield* runtime.status(spec), "running")
        assert.deepEqual(yield* subject.leftovers(spec), [])
        yield* runtime.start(spec, quiet)
        assert.deepEqual(yield* rows, [{ n: 7 }])
        // What served the client before may not have been gone yet.
        const after = yield* subject.leftovers(spec)
        assert.isTrue(after.length > 0 && after.length <= before.length)
      })
    )

    behaves("stops although clients are connected", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.start(spec, quiet)
        const client = yield* patiently(spec)
        yield* runtime.stop(spec)
        yield* Effect.flip(client.query("SELECT 1"))
        assert.strictEqual(yield* runtime.status(spec), "stopped")
      })
    )

    behaves("writes its logs where they are read and cut, and goes on in them", (asked, runtime) =>
      Effect.gen(function* () {
        const on = asked.datastore === "postgresql" ? { log_statement: "all" } : { general_log: true }
        const spec = { ...asked, settings: on }
        const { logFiles } = runtime
        assert.isNull(yield* logFiles.extent(spec, "general"))
        yield* runtime.start(spec, quiet)
        const extent = Effect.map(logFiles.extent(spec, "general"), (found) => found ?? { begins: -1, ends: -1 })
        const text = Effect.gen(function* () {
          const { begins, ends } = yield* extent
          return Buffer.from(yield* logFiles.read(spec, "general", begins, ends - begins)).toString()
        })
        // A server may write after it has answered.
        const logged = (words: string) =>
          Effect.repeat(text, {
            until: (now) => now.includes(words),
            times: 200,
            schedule: Schedule.spaced("20 millis")
          })
        const client = yield* patiently(spec)
        yield* client.query("CREATE TABLE first_one (n int)")
        assert.include(yield* logged("first_one"), "CREATE TABLE first_one")
        assert.notInclude(yield* text, Redacted.value(spec.adminPassword))
        const { ends } = yield* extent
        yield* logFiles.cut(spec, "general", ends)
        assert.isAtLeast((yield* extent).begins, ends)
        yield* client.query("CREATE TABLE second_one (n int)")
        assert.include(yield* logged("second_one"), "CREATE TABLE second_one")
        assert.notInclude(yield* text, "first_one")
        const { begins } = yield* extent
        yield* runtime.stop(spec)
        yield* runtime.start(spec, quiet)
        yield* (yield* patiently(spec)).query("CREATE TABLE third_one (n int)")
        assert.match(yield* logged("third_one"), /second_one.*third_one/s)
        assert.strictEqual((yield* extent).begins, begins)
      })
    )

    for (const moment of subject.interruptAfter) {
      behaves(`starts after a first start was interrupted at ${moment} ms`, (spec, runtime) =>
        Effect.gen(function* () {
          const first = yield* Effect.forkChild(runtime.start(spec, quiet))
          yield* Effect.sleep(moment)
          yield* Fiber.interrupt(first)
          yield* runtime.start(spec, quiet)
          yield* (yield* patiently(spec)).query("SELECT 1")
        })
      )
    }

    behaves("gives a server that runs another size, which it has also when it is started anew", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.limit(spec, "exactly")
        yield* runtime.start(spec, quiet)
        const client = yield* patiently(spec)
        const before = yield* subject.leftovers(spec)
        const larger = { ...spec, memoryMb: spec.memoryMb * 2, vcpus: spec.vcpus + 1 }
        const sizes = [
          [larger, "atLeast", larger],
          [larger, "exactly", larger],
          [spec, "atLeast", larger],
          [spec, "exactly", spec]
        ] as const
        for (const [asked, how, then] of sizes) {
          yield* runtime.limit(asked, how)
          if (subject.memoryOf !== undefined) assert.strictEqual(yield* subject.memoryOf(spec), then.memoryMb)
          yield* runtime.start(asked, quiet)
        }
        // Nobody was cut off, and it is the same server.
        yield* client.query("SELECT 1")
        yield* runtime.stop(spec)
        yield* runtime.start(larger, quiet)
        yield* (yield* patiently(spec)).query("SELECT 1")
        if (subject.memoryOf !== undefined) assert.strictEqual(yield* subject.memoryOf(spec), larger.memoryMb)
        assert.lengthOf(yield* subject.leftovers(spec), before.length)
      })
    )

    behaves("leaves nothing when it is removed in the middle of its first start", (spec, runtime) =>
      Effect.gen(function* () {
        const first = yield* Effect.forkChild(runtime.start(spec, quiet))
        yield* Effect.sleep(subject.interruptAfter[0] ?? 100)
        yield* Fiber.interrupt(first)
        yield* runtime.remove(spec.instanceId, spec.volume)
        assert.deepEqual(yield* subject.leftovers(spec), [])
      })
    )

    behaves(
      "keeps the data while another version is tried on a copy, and puts it back, or forgets it",
      (spec, runtime) =>
        Effect.gen(function* () {
          const { kept } = runtime
          const trial = { ...spec, port: spec.port + 10_000 }
          const query = (at: DatabaseSpec, sql: string) =>
            Effect.scoped(Effect.flatMap(patiently(at), (client) => client.query(sql)))
          const rows = (at: DatabaseSpec) => query(at, "SELECT n FROM kept")
          yield* runtime.provide(spec, quiet)
          yield* runtime.start(spec, quiet)
          yield* query(spec, "CREATE TABLE kept (n int)")
          yield* query(spec, "INSERT INTO kept VALUES (7)")
          const { free, needed } = yield* kept.room(spec)
          assert.isTrue(needed > 0 && free > needed)
          yield* runtime.stop(spec)

          // With nothing beside it, the data stays what it is.
          yield* kept.putBack(spec)
          yield* kept.forget(spec)
          yield* kept.keep(spec)
          yield* kept.keep(spec)
          yield* runtime.start(trial, quiet)
          yield* Effect.flip(subject.connect(spec))
          yield* query(trial, "INSERT INTO kept VALUES (8)")
          yield* runtime.stop(trial)
          yield* kept.putBack(spec)
          yield* kept.putBack(spec)
          yield* runtime.start(spec, quiet)
          assert.deepEqual(yield* rows(spec), [{ n: 7 }])
          yield* runtime.stop(spec)

          yield* kept.keep(spec)
          yield* runtime.start(spec, quiet)
          yield* query(spec, "INSERT INTO kept VALUES (9)")
          yield* kept.forget(spec)
          yield* kept.forget(spec)
          yield* runtime.stop(spec)
          yield* kept.putBack(spec)
          yield* runtime.start(spec, quiet)
          assert.deepEqual(yield* rows(spec), [{ n: 7 }, { n: 9 }])
        })
    )

    behaves("removes a running server, twice, and leaves nothing", (spec, runtime) =>
      Effect.gen(function* () {
        yield* runtime.start(spec, quiet)
        yield* patiently(spec)
        yield* runtime.remove(spec.instanceId, spec.volume)
        yield* runtime.remove(spec.instanceId, spec.volume)
        assert.deepEqual(yield* subject.leftovers(spec), [])
        assert.notStrictEqual(yield* runtime.status(spec), "running")
        yield* Effect.flip(subject.connect(spec))
      })
    )

    behaves("lists the volumes below a folder that have a server, until it is removed", (spec, runtime) =>
      Effect.gen(function* () {
        const folder = dirname(spec.volume)
        const isListed = Effect.map(runtime.list(folder), (volumes) => volumes.includes(spec.volume))
        assert.isFalse(yield* isListed)
        yield* runtime.start(spec, quiet)
        assert.isTrue(yield* isListed)
        assert.lengthOf(
          (yield* runtime.list(folder)).filter((volume) => volume === spec.volume),
          1
        )
        assert.deepEqual(yield* runtime.list(`${spec.volume}/elsewhere`), [])
        assert.deepEqual(yield* runtime.list(spec.volume.slice(0, -1)), [])
        yield* runtime.remove(spec.instanceId, spec.volume)
        assert.isFalse(yield* isListed)
      })
    )

    behaves("runs two servers on one port of two addresses, apart from each other", (spec, runtime) =>
      Effect.gen(function* () {
        const other = { ...(yield* subject.spec), port: spec.port }
        yield* Effect.all([runtime.start(spec, quiet), runtime.start(other, quiet)], { concurrency: 2 })
        yield* (yield* patiently(spec)).query("CREATE TABLE mine (n int)")
        yield* Effect.flip((yield* patiently(other)).query("SELECT * FROM mine"))
        yield* runtime.remove(spec.instanceId, spec.volume)
        assert.strictEqual(yield* runtime.status(other), "running")
      })
    )

    behaves("refuses an address and port that another program has", (spec, runtime) =>
      Effect.gen(function* () {
        yield* (subject.occupy ?? listen)(spec)
        const error = yield* Effect.flip(runtime.start(spec, quiet))
        assert.strictEqual(error._tag, "RuntimeError")
        assert.include(error.message, `${spec.address}:${spec.port}`)
        assert.notInclude(JSON.stringify(error), Redacted.value(spec.adminPassword))
      })
    )
  })
}

const listen = (spec: DatabaseSpec) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.listen(spec.port, spec.address, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )
