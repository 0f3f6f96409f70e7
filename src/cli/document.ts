/** What a command answers another program with: one JSON document. */
import { Console, Effect, Schema } from "effect"
import { Instance, Whole } from "./answers.ts"
import { get } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { patiently } from "./patience.ts"

export const printJson = (document: Readonly<Record<string, Schema.Json>>) =>
  Console.log(JSON.stringify(document, null, 2))

const decodeInstance = Schema.decodeUnknownEffect(Instance)

/** An instance as the commands read it, from what the API tells. */
export const readInstance = ({ base }: Connection, whole: Schema.Json) =>
  Effect.mapError(decodeInstance(whole), () => failed(`What answers at ${base} tells of no instance of Coffer's.`))

/** An instance with everything that the API tells of it; null where there is none. */
export const wholeInstance = (connection: Connection, id: string) =>
  Effect.map(patiently(get(connection, `/instances/${id}`, Whole)), ({ instance }) => instance).pipe(
    Effect.catchIf(
      ({ status }) => status === 404,
      () => Effect.succeed(null)
    )
  )
