/** `coffer host …`: the machines that databases run on, as the control plane's operator lets them in and out. */
import { Console, Effect, Redacted } from "effect"
import { Argument, Command } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import { stringify } from "smol-toml"
import * as HostAccess from "../layers/broker/HostAccess.ts"
import type { ConfigurationOf } from "../layers/config/Configuration.ts"
import { load } from "../layers/config/load.ts"
import { rabbitOptions } from "../layers/roles/GuestAccess.ts"
import { HostName } from "../services/ConductorApi.ts"
import { configFlag } from "./configFlag.ts"
import { failWith } from "./failure.ts"

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

const remove = Command.make(
  "remove",
  { config: configFlag, name: hostName },
  Effect.fnUntraced(
    function* ({ config, name }) {
      const configuration = yield* load(config, process.env, "taskmanager")
      yield* HostAccess.revoke(yield* rabbitOptions(configuration), name)
      yield* Console.log(`${name} is let in no more. Its databases go on, and cannot be reached by their agents.`)
    },
    Effect.provide(FetchHttpClient.layer),
    Effect.catchTags({ ConfigurationInvalid: failWith, GuestAccessError: failWith, NoManagement: failWith })
  )
).pipe(Command.withDescription("Take a machine's login away"))

export const host = Command.make("host").pipe(
  Command.withDescription("Let machines in that databases run on"),
  Command.withSubcommands([add, remove])
)
