/** `coffer operation …`: what is under way or stuck, as an operator sees it and steers it, over the REST API. */
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { plain } from "../layers/config/terminalText.ts"
import { Operations } from "./answers.ts"
import { asking, get, order } from "./client.ts"
import { connect, connectionFlags, failed } from "./connection.ts"
import { printJson } from "./document.ts"
import { historyOf } from "./follow.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { idOf } from "./instances.ts"
import { awaitRest, operationOf } from "./operationRest.ts"
import { renderOperation, renderOperations } from "./operationView.ts"
import { patiently } from "./patience.ts"
import { makeProgress } from "./progress.ts"

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
    const operation = yield* operationOf(connection, yield* idOf(connection, asked.nameOrId))
    if (operation === null) return yield* failed(plain(`There is no instance ${asked.nameOrId}.`), 404)
    yield* asked.json ? printJson({ operation }) : Console.log(renderOperation(operation))
  }).pipe(asking)
).pipe(
  Command.withDescription("Show the operation of an instance with its steps, and the commands that were set aside"),
  Command.withExamples([{ command: "coffer operation show first", description: "Why it hangs, or has failed" }])
)

type Action = "retry" | "compensate" | "cancel"

/** What is told of it: once it is accepted, and once it is done. */
interface Told {
  readonly accepted: string
  readonly done: string
}

const acting = (action: Action, description: string, told: Told, example: string) =>
  Command.make(action, { nameOrId, wait, json, ...connectionFlags }, (asked) =>
    Effect.gen(function* () {
      const connection = yield* connect(asked)
      const id = yield* idOf(connection, asked.nameOrId)
      const before = asked.wait ? yield* operationOf(connection, id) : null
      const entries = asked.wait ? yield* historyOf(connection, id) : []
      yield* order(connection, `/mgmt/operations/${id}/action`, { [action]: {} })
      const failure =
        before === null ? null : yield* awaitRest(connection, before, yield* makeProgress(entries), action)
      if (asked.json) yield* printJson({ operation: yield* operationOf(connection, id) })
      if (failure !== null) return yield* failed(plain(`${asked.nameOrId}: ${action} failed: ${failure}`))
      if (asked.json) return
      yield* Console.log(plain(`${asked.nameOrId}: ${asked.wait ? told.done : told.accepted}.`))
    }).pipe(asking)
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `coffer operation ${action} first --wait`, description: example }])
  )

const retry = acting(
  "retry",
  "Have what failed done again: a delete, a build (under its own id), or the service after a defect",
  { accepted: "what failed is done again", done: "what had failed is done" },
  "Until it is done, or has failed again"
)

const compensate = acting(
  "compensate",
  "Take back now what a build or a delete that failed left, or what a build that hangs has made",
  { accepted: "what there is of it is being taken back", done: "what there was of it is taken back" },
  "Until nothing of it is left"
)

const cancel = acting(
  "cancel",
  "Call off the operation under way now, as if its deadline had passed",
  { accepted: "its operation is being called off", done: "its operation is called off" },
  "Until nothing of it is under way"
)

export const operation = Command.make("operation").pipe(
  Command.withDescription("For administrators: see what is under way or stuck; retry, compensate or cancel it"),
  Command.withSubcommands([list, show, retry, compensate, cancel])
)
