/** `coffer instance restart`, `stop`, `start`: the database of an instance, down, up, or both in turn. */
import { Command } from "effect/cli"
import { asking } from "./client.ts"
import { connectionFlags } from "./connection.ts"
import { inside } from "./inside.ts"
import { json, nameOrId, wait } from "./instanceFlags.ts"
import { operate } from "./operate.ts"
import { preview } from "./preview.ts"
import { awaitService, awaitStopped } from "./waiting.ts"

const flags = { nameOrId, wait, preview, json, ...connectionFlags }

interface Words {
  readonly done: string
  readonly underWay: string
  /** Operations that may be what carries it out. */
  readonly kinds: ReadonlyArray<string>
}

const switching = (action: "restart" | "stop" | "start", words: Words) =>
  Command.make(action, flags, (asked) =>
    inside(asked, (connection, path, id) =>
      operate(
        connection,
        id,
        asked,
        { method: "POST", path: `${path}/action`, body: { [action]: {} } },
        {
          ...words,
          failure: (why) => `The ${action} of ${asked.nameOrId} failed: ${why}`,
          waiting: action === "stop" ? awaitStopped : awaitService
        }
      )
    ).pipe(asking)
  )

export const restart = switching("restart", {
  done: "was restarted",
  underWay: "is being restarted",
  kinds: ["restart", "start"]
}).pipe(
  Command.withDescription("Stop the database of an instance and start it again; its clients are cut off"),
  Command.withExamples([{ command: "coffer instance restart --wait first", description: "Until a client can log in" }])
)

export const stop = switching("stop", { done: "is stopped", underWay: "is being stopped", kinds: ["stop"] }).pipe(
  Command.withDescription("Stop the database of an instance, which stays so until it is started; its data stays"),
  Command.withExamples([
    { command: "coffer instance stop --wait first", description: "Until it has come to a clean end" },
    { command: "coffer instance stop --preview first", description: "What that would do" }
  ])
)

export const start = switching("start", { done: "is started", underWay: "is being started", kinds: ["start"] }).pipe(
  Command.withDescription("Start the database of an instance that was stopped"),
  Command.withExamples([{ command: "coffer instance start --wait first", description: "Until a client can log in" }])
)
