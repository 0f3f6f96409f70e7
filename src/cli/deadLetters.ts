/** `coffer dead-letters …`: the messages that nobody could take, and sending them again. */
import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { load } from "../layers/config/load.ts"
import type { BrokerLost } from "../layers/fabric/amqp/Connection.ts"
import * as DeadLetterOffice from "../layers/fabric/DeadLetterOffice.ts"
import { maxDeadLetters } from "../layers/fabric/DeadLetters.ts"
import { tlsFiles } from "../layers/roles/ControlPlane.ts"
import { configFlag } from "./configFlag.ts"
import { renderLetter, renderList, renderReplayed } from "./deadLetterView.ts"
import { failWith } from "./failure.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

const limit = Flag.Int("limit").pipe(
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxDeadLetters }))),
  Flag.withDescription("How many to show, the oldest first"),
  Flag.withDefault(50)
)

const asJson = (value: unknown) => JSON.stringify(value, null, 2)

const office = Effect.fnUntraced(function* (config: Option.Option<string>) {
  const { broker } = yield* load(config, process.env)
  const { control_exchange: exchange, urls } = broker
  if (urls === undefined) return yield* Effect.fail({ _tag: "NoBroker", message: "broker.urls is not set" } as const)
  return yield* DeadLetterOffice.open({ urls, exchange, tls: yield* tlsFiles(broker) })
})

/** Does its work over a connection of its own; what goes wrong is said, and ends the process with 1. */
const over = (
  config: Option.Option<string>,
  use: (office: DeadLetterOffice.DeadLetterOffice) => Effect.Effect<void, BrokerLost>
) =>
  office(config).pipe(
    Effect.flatMap(use),
    Effect.scoped,
    Effect.catchTag("BrokerLost", ({ reason }) => failWith({ message: `the broker does not answer: ${reason}` })),
    Effect.catch(failWith)
  )

const list = Command.make("list", { config: configFlag, json, limit }, ({ config, json, limit }) =>
  over(config, (office) =>
    Effect.flatMap(office.list(limit), ({ letters, total }) =>
      Console.log(json ? asJson({ total, dead_letters: letters }) : renderList(letters, total))
    )
  )
).pipe(
  Command.withDescription("Show the messages that nobody could take, and why; never what is in them"),
  Command.withExamples([{ command: "coffer dead-letters list --limit 10", description: "The ten oldest" }])
)

const id = Argument.String("id").pipe(Argument.withDescription("As the list shows it"))

const show = Command.make("show", { config: configFlag, id, json }, ({ config, id, json }) =>
  over(config, (office) =>
    Effect.flatMap(
      office.show(id),
      Option.match({
        onNone: () => failWith({ message: `there is no dead letter ${id}` }),
        onSome: (letter) => Console.log(json ? asJson(letter) : renderLetter(letter))
      })
    )
  )
).pipe(
  Command.withDescription(
    "Show one with its text, as it came. Beware: whatever secrets its sender did not encrypt are shown as well"
  ),
  Command.withExamples([{ command: "coffer dead-letters show 5f3c…", description: "By the id that the list tells" }])
)

const all = Flag.Boolean("all").pipe(Flag.withDescription("All that are there now"), Flag.withDefault(false))

const ids = Argument.String("id").pipe(
  Argument.withDescription("Which, as the list shows them"),
  Argument.variadic({ max: maxDeadLetters })
)

const replay = Command.make("replay", { config: configFlag, all, ids, json }, ({ all, config, ids, json }) => {
  if (all === ids.length > 0) return failWith({ message: "name the dead letters to be sent again, or say --all" })
  return over(config, (office) =>
    Effect.gen(function* () {
      const replayed = yield* office.replay(all ? "all" : ids)
      yield* Console.log(json ? asJson(replayed) : renderReplayed(replayed))
      if (replayed.some(({ outcome }) => outcome !== "sent")) {
        return yield* failWith({ message: "not all of them could be sent" })
      }
    })
  )
}).pipe(
  Command.withDescription("Send them again, to where they were on their way to. What nobody takes stays here"),
  Command.withExamples([
    { command: "coffer dead-letters replay 5d8c2f7e-…", description: "After what kept it from being taken is mended" },
    { command: "coffer dead-letters replay --all", description: "All of them, in the order in which they came" }
  ])
)

export const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("Look at the messages that nobody could take, and send them again"),
  Command.withSubcommands([list, show, replay])
)
