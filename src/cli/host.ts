/** `coffer host …`: the machines that databases run on, as the control plane's operator lets them in and out. */
import { Clock, Console, Effect, Layer, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { stringify } from "smol-toml"
import * as HostAccess from "../layers/broker/HostAccess.ts"
import type { ConfigurationOf } from "../layers/config/Configuration.ts"
import { load } from "../layers/config/load.ts"
import * as PgGuestHosts from "../layers/postgres/PgGuestHosts.ts"
import * as PgPool from "../layers/postgres/PgPool.ts"
import * as SchemaVersion from "../layers/postgres/SchemaVersion.ts"
import { rabbitOptions } from "../layers/roles/GuestAccess.ts"
import { HostName } from "../services/ConductorApi.ts"
import { GuestHostDirectory } from "../services/GuestHostDirectory.ts"
import { configFlag } from "./configFlag.ts"
import { telling } from "./databaseFailure.ts"
import { printJson } from "./document.ts"
import { failWith } from "./failure.ts"
import { lostMeans, removeHost, renderRemoval } from "./hostRemoval.ts"
import { hostDocument, renderHosts } from "./hostView.ts"

const hostName = Argument.String("name").pipe(
  Argument.withSchema(HostName),
  Argument.withDescription("What the machine is called; no other may be called so")
)

/** What the machine's configuration holds; everything else in it has a default. */
const fileOf = ({ broker }: ConfigurationOf<"taskmanager">, name: string, { key, urls }: HostAccess.HostLink) => {
  const { ca_file, control_exchange, queues, shared_guest_credentials } = broker
  return stringify({
    broker: {
      control_exchange,
      queues,
      ...(shared_guest_credentials ? { shared_guest_credentials } : {}),
      ...(ca_file === undefined ? {} : { ca_file })
    },
    guestagent: {
      name,
      urls: urls.map(Redacted.value),
      key: Buffer.from(Redacted.value(key)).toString("base64")
    }
  })
}

const add = Command.make(
  "add",
  { config: configFlag, name: hostName },
  Effect.fnUntraced(
    function* ({ config, name }) {
      const configuration = yield* load(config, process.env, "taskmanager")
      const { broker, secrets } = configuration
      const link = broker.shared_guest_credentials
        ? HostAccess.shared(secrets.key, broker.guest_urls ?? [], name)
        : yield* HostAccess.grant(yield* rabbitOptions(configuration), secrets.key, name)
      yield* Console.log(fileOf(configuration, name, link).trimEnd())
      yield* Console.error(
        `\nThis is the configuration of ${name}, and a secret: let ${name} alone read it, and start there:  coffer guestagent --config FILE`
      )
    },
    Effect.provide(FetchHttpClient.layer),
    Effect.catchTags({ ConfigurationInvalid: failWith, GuestAccessError: failWith, NoManagement: failWith })
  )
).pipe(
  Command.withDescription("Make a login for a machine that databases are to run on, and print its configuration"),
  Command.withExamples([{ command: "coffer host add db1 > db1.toml", description: "Asking again prints the same" }])
)

/** The hosts as the control plane's database knows them; what it does wrong is told. */
const overDirectory = <A, E, R>(
  { database: { url } }: ConfigurationOf<"taskmanager">,
  use: Effect.Effect<A, E, R | GuestHostDirectory>
) =>
  Effect.gen(function* () {
    const directory = PgGuestHosts.layer.pipe(
      Layer.provide(Layer.effectDiscard(SchemaVersion.check)),
      Layer.provide(PgPool.layer(url, "coffer host"))
    )
    const context = yield* Layer.build(directory).pipe(Effect.catchTag("SqlError", telling(url)))
    return yield* Effect.provide(use, context)
  }).pipe(Effect.scoped, Effect.catchDefect(telling(url)))

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

const list = Command.make(
  "list",
  { config: configFlag, json },
  Effect.fnUntraced(
    function* ({ config, json }) {
      const configuration = yield* load(config, process.env, "taskmanager")
      const hosts = yield* overDirectory(
        configuration,
        Effect.flatMap(GuestHostDirectory, ({ known }) => known)
      )
      const now = yield* Clock.currentTimeMillis
      yield* json ? printJson(hostDocument(hosts, now)) : Console.log(renderHosts(hosts, now))
    },
    Effect.catchTags({ ConfigurationInvalid: failWith, DatabaseFailed: failWith, SchemaMismatch: failWith })
  )
).pipe(
  Command.withDescription("Show the machines that have reported: how much room they have, and whether they are alive"),
  Command.withExamples([{ command: "coffer host list --json", description: "One JSON document, for another program" }])
)

const lost = Flag.Boolean("lost").pipe(Flag.withDescription(lostMeans), Flag.withDefault(false))

const remove = Command.make(
  "remove",
  { config: configFlag, name: hostName, lost },
  Effect.fnUntraced(
    function* ({ config, lost, name }) {
      const configuration = yield* load(config, process.env, "taskmanager")
      const hasOwnLogin = !configuration.broker.shared_guest_credentials
      // Before anything is removed it is known how the rest would be.
      const revoke = hasOwnLogin ? HostAccess.revoke(yield* rabbitOptions(configuration), name) : Effect.void
      const given = yield* overDirectory(configuration, removeHost(name, lost ? "lost" : "kept", revoke))
      yield* Console.log(renderRemoval(name, given, hasOwnLogin))
    },
    Effect.provide(FetchHttpClient.layer),
    Effect.catchTags({
      ConfigurationInvalid: failWith,
      DatabaseFailed: failWith,
      GuestAccessError: failWith,
      HostStays: failWith,
      NoManagement: failWith,
      SchemaMismatch: failWith
    })
  )
).pipe(
  Command.withDescription(
    "Take a machine out, with its login. Refused while instances live there, unless they are lost with it"
  ),
  Command.withExamples([
    { command: "coffer host remove db1", description: "A machine that nothing lives on any more" },
    { command: "coffer host remove db1 --lost", description: "A machine that burnt down, with what lived there" }
  ])
)

export const host = Command.make("host").pipe(
  Command.withDescription("The machines that databases run on: let them in, look at them, take them out"),
  Command.withSubcommands([add, list, remove])
)
