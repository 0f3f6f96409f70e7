/** Asks for an operation of an instance, or for what it would do; waits for its end where that is wanted, and tells it. */
import { Console, Effect } from "effect"
import { plain } from "../layers/config/terminalText.ts"
import { order, put } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { printJson, wholeInstance } from "./document.ts"
import { historyOf } from "./follow.ts"
import { tellPreview } from "./preview.ts"
import { makeProgress } from "./progress.ts"
import { awaitService, type awaitStopped, runFailure } from "./waiting.ts"

interface Asked {
  readonly nameOrId: string
  readonly wait: boolean
  readonly preview: boolean
  readonly json: boolean
}

interface Request {
  readonly method: "POST" | "PUT"
  readonly path: string
  readonly body: { readonly [key: string]: unknown }
}

interface Words {
  /** Operations that may be what carries it out. */
  readonly kinds: ReadonlyArray<string>
  /** After the name, as in "first was restarted". */
  readonly done: string
  readonly underWay: string
  readonly failure: (why: string) => string
  readonly waiting?: typeof awaitStopped
}

export const operate = Effect.fnUntraced(function* (
  connection: Connection,
  id: string,
  asked: Asked,
  { body, method, path }: Request,
  { done, failure, kinds, underWay, waiting = awaitService }: Words
) {
  if (asked.preview) return yield* tellPreview(connection, asked, method, path, body)
  const before = asked.wait ? yield* historyOf(connection, id) : []
  yield* method === "PUT" ? put(connection, path, body) : order(connection, path, body)
  const why = asked.wait ? yield* waiting(connection, id, yield* makeProgress(before), runFailure(kinds, before)) : null
  if (asked.json) yield* printJson({ instance: yield* wholeInstance(connection, id) })
  if (why !== null) return yield* failed(plain(failure(why)))
  if (!asked.json) yield* Console.log(plain(`${asked.nameOrId} ${asked.wait ? done : underWay}.`))
})
