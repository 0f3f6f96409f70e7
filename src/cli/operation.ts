/** `coffer operation …`: what is under way or stuck, as an operator sees it and steers it, over the REST API. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { Operations, ShownOperation } from "./answers.ts"
import { asking, get, order } from "./client.ts"
import { connect, connectionFlags, failed } from "./connection.ts"
import { printJson } from "./document.ts"
import { json, nameOrId } from "./instanceFlags.ts"
import { idOf } from "./instances.ts"
import { renderOperation, renderOperations } from "./operationView.ts"
import { patiently } from "./patience.ts"

const list = Command.make("list", { json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const { operations } = yield* patiently(get(connection, "/mgmt/operations", Operations))
    yield* asked.json ? printJson({ operations }) : Console.log(renderOperations(operations))
  }).pipe(asking)
).pipe(
  Command.withDescription("Show the operations of all projects that are under way or stuck, the oldest first"),
  Command.withExamples([{ command: "coffer operation list", description: "With a token of an administrator" }])
)

const show = Command.make("show", { nameOrId, json, ...connectionFlags }, (asked) =>
  Effect.gen(function* () {
    const connection = yield* connect(asked)
    const id = yield* idOf(connection, asked.nameOrId)
    const { operation } = yield* patiently(get(connection, `/mgmt/operations/${id}`, ShownOperation)).pipe(
      Effect.catchIf(
        ({ status }) => status === 404,
        () => failed(plain(`There is no instance ${asked.nameOrId}.`), 404)
      )
    )
    yield* asked.json ? printJson({ operation }) : Console.log(renderOperation(operation))
  }).pipe(asking)
).pipe(
  Command.withDescription("Show the operation of an instance with its steps, and the commands that were set aside")
)

/** `said`: what is told once it is accepted. */
const acting = (action: "retry" | "compensate" | "cancel", description: string, said: (name: string) => string) =>
  Command.make(action, { nameOrId, json, ...connectionFlags }, (asked) =>
    Effect.gen(function* () {
      const connection = yield* connect(asked)
      const id = yield* idOf(connection, asked.nameOrId)
      yield* order(connection, `/mgmt/operations/${id}/action`, { [action]: {} })
      if (!asked.json) return yield* Console.log(plain(said(asked.nameOrId)))
      const { operation } = yield* patiently(get(connection, `/mgmt/operations/${id}`, ShownOperation))
      yield* printJson({ operation })
    }).pipe(asking)
  ).pipe(Command.withDescription(description))

const retry = acting(
  "retry",
  "Have what failed done again: a delete, a build (under its own id), or the service after a defect",
  (name) => `${name}: what failed is done again.`
)

const compensate = acting(
  "compensate",
  "Take back now what a build or a delete that failed left, or what a build that hangs has made",
  (name) => `${name}: what there is of it is being taken back.`
)

const cancel = acting(
  "cancel",
  "Call off the operation under way now, as if its deadline had passed",
  (name) => `${name}: its operation is being called off.`
)

export const operation = Command.make("operation").pipe(
  Command.withDescription("For administrators: see what is under way or stuck; retry, compensate or cancel it"),
  Command.withSubcommands([list, show, retry, compensate, cancel])
)
