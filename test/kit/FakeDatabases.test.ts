/** The fakes, by the suites of their real twins: what lifecycle tests rely on is what real servers do. */
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import { DatabaseRuntime, type DatabaseSpec } from "../../src/guest/DatabaseRuntime.ts"
import type { Endpoint } from "../../src/guest/DatastoreManager.ts"
import { refuseDatabaseName, refuseUserName, reservedNames } from "../../src/services/NameRules.ts"
import { databaseRuntimeConformance } from "../conformance/databaseRuntime.ts"
import { datastoreManagerConformance } from "../conformance/datastoreManager.ts"
import { logFilesConformance } from "../conformance/logFiles.ts"
import * as Fake from "./FakeDatabases.ts"
import { FakeRefusal } from "./FakeServer.ts"

/** One world for the file: the manager's suite takes a manager, not a layer. */
const world = Effect.runSync(
  Effect.scoped(Effect.map(Layer.build(Fake.layer), (context) => Context.get(context, Fake.FakeDatabases)))
)
world.faults.startTime = Duration.millis(20)

let instances = 0
const aSpec = Effect.sync((): DatabaseSpec => {
  const number = ++instances
  return {
    instanceId: `fake-${number}`,
    datastore: "postgresql",
    version: "any",
    image: "none",
    address: `127.77.1.${number}`,
    port: 5432,
    volume: `/volumes/${number}`,
    memoryMb: 256,
    vcpus: 1,
    settings: {},
    adminPassword: Redacted.make("admin-pw")
  }
})

const connect = (
  at: { readonly address: string; readonly port: number },
  user: string,
  password: Redacted.Redacted,
  database: string
) =>
  Effect.suspend(() => {
    const server = [...world.servers.values()].find(({ address, port }) => address === at.address && port === at.port)
    return server?.connect(user, password, database) ?? Effect.fail(new FakeRefusal({ message: "nobody is there" }))
  })

databaseRuntimeConformance("the fake runtime", {
  layer: Layer.succeed(DatabaseRuntime, world.runtime),
  spec: aSpec,
  connect: (spec) => connect(spec, "postgres", spec.adminPassword, "postgres"),
  leftovers: ({ instanceId }) =>
    Effect.sync(() => (world.servers.get(instanceId)?.isWhole === true ? [instanceId] : [])),
  memoryOf: ({ instanceId }) => Effect.sync(() => world.servers.get(instanceId)?.limitMb ?? 0),
  interruptAfter: [5],
  occupy: ({ address }) => Effect.sync(() => world.occupied.add(address))
})

logFilesConformance("the fake logs", {
  files: world.runtime.logFiles,
  server: Effect.gen(function* () {
    const spec = yield* aSpec
    yield* Effect.orDie(world.runtime.start(spec, () => Effect.void))
    return {
      owner: spec,
      write: (text: string) =>
        Effect.sync(() => world.servers.get(spec.instanceId)?.write("general", text.slice(0, -1)))
    }
  })
})

class Server extends Context.Service<Server, Endpoint>()("test/FakeServer") {
  static readonly layer = Layer.effect(
    Server,
    Effect.tap(aSpec, (spec) => world.runtime.start(spec, () => Effect.void))
  )
}

const { databases, users } = reservedNames("postgresql")

datastoreManagerConformance("the fake manager", {
  manager: world.manager,
  layer: Server.layer,
  endpoint: Server,
  login: connect,
  anyDatabase: "postgres",
  everything: ({ address }) =>
    Effect.sync(() => [...world.servers.values()].find((server) => server.address === address)?.everything ?? []),
  isName: (name) => refuseDatabaseName("postgresql", name) === null && refuseUserName("postgresql", name) === null,
  reserved: { databases, users },
  runs: 40
})
