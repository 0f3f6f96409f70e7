/** The service through its real entry point, and the few requests that the rows make of it. */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { answers, freePort, root, running, until } from "./Programs.ts"

const project = "bench"

/** In milliseconds. Asking more often takes from the machine what the database needs to come up. */
const pollInterval = 25

const Created = Schema.Struct({ instance: Schema.Struct({ id: Schema.String }) })
const Listed = Schema.Struct({
  instances: Schema.Array(
    Schema.Struct({ id: Schema.String, status: Schema.String, ip: Schema.optionalKey(Schema.Array(Schema.String)) })
  )
})
const History = Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Schema.Unknown) }) })

const environment = { ...process.env, COFFER_RATE_LIMIT: "1000000", NO_COLOR: "1" }

/** `node src/main.ts up`, serving; stopped with the scope. */
export const start = Effect.fnUntraced(function* (
  dataDir: string,
  runtime: "process" | "docker",
  variables: Record<string, string> = {}
) {
  const port = yield* freePort
  const args = [join(root, "src/main.ts"), "up", "--data-dir", dataDir, "--port", `${port}`, "--runtime", runtime]
  yield* running(process.execPath, args, { env: { ...environment, ...variables } })
  yield* until("coffer up", answers(port))

  const request = <S extends Schema.Codec<unknown, unknown>>(schema: S, method: string, path: string, body?: unknown) =>
    Effect.tryPromise(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/v1.0/${project}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
      })
      const text = await answer.text()
      if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
      return text === "" ? null : JSON.parse(text)
    }).pipe(Effect.flatMap(Schema.decodeUnknownEffect(schema)))

  const statusOf = (id: string) =>
    Effect.map(
      request(Listed, "GET", "/instances"),
      ({ instances }) => instances.find((instance) => instance.id === id)?.status ?? "gone"
    )
  const becomes = (id: string, wanted: string) =>
    until(
      `instance ${id} ${wanted}`,
      Effect.flatMap(statusOf(id), (status) => {
        if (status === wanted) return Effect.succeed(status)
        return status === "ERROR" ? Effect.die(`instance ${id} is in ERROR`) : Effect.fail(status)
      }),
      pollInterval
    )

  return {
    port,
    create: (order: unknown) =>
      Effect.map(request(Created, "POST", "/instances", { instance: order }), (a) => a.instance.id),
    becomes,
    remove: (id: string) => Effect.andThen(request(Schema.Unknown, "DELETE", `/instances/${id}`), becomes(id, "gone")),
    history: (id: string) =>
      Effect.map(request(History, "GET", `/instances/${id}/history`), ({ history }) => history.entries)
  }
})
