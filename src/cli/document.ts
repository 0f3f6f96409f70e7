/** What a command answers another program with: one JSON document. */
import { Console, Effect, Schema } from "effect"
import { Instance, Whole } from "./answers.ts"
import { get } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { patiently } from "./patience.ts"

type Document = Readonly<Record<string, Schema.Json>>

export const printJson = (document: Document) => Console.log(JSON.stringify(document, null, 2))

/** Something of the API's as the commands read it, from what the API tells. */
export const read = <A, I>({ base }: Connection, schema: Schema.Codec<A, I>, whole: Schema.Json) =>
  Effect.mapError(Schema.decodeUnknownEffect(schema)(whole), () =>
    failed(`What answers at ${base} tells of something that Coffer does not. Name its API with --url, or COFFER_URL.`)
  )

/** Everything that the API tells at `path`, for who only looks. */
export const look = (connection: Connection, path: string) =>
  patiently(get(connection, path, Schema.Record(Schema.String, Schema.Json)))

/** Tells a document: to a program as it is, to somebody at a terminal in words. */
export const tell = <A, I>(
  connection: Connection,
  asked: { readonly json: boolean },
  document: Document,
  schema: Schema.Codec<A, I>,
  inWords: (told: A) => string
) =>
  asked.json
    ? printJson(document)
    : Effect.flatMap(read(connection, schema, document), (told) => Console.log(inWords(told)))

/** An instance with everything that the API tells of it; null where there is none. */
export const wholeInstance = (connection: Connection, id: string) =>
  Effect.map(patiently(get(connection, `/instances/${id}`, Whole)), ({ instance }) => instance).pipe(
    Effect.catchIf(
      ({ status }) => status === 404,
      () => Effect.succeed(null)
    )
  )

/** The same as the commands read it. */
export const readInstance = (connection: Connection, whole: Schema.Json) => read(connection, Instance, whole)
