/** An API that answers the commands with what a test says, and remembers what it was asked. */
import { Effect, Layer, Option } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import type { Entry, Instance } from "../../src/cli/answers.ts"
import type { Connection } from "../../src/cli/connection.ts"

export const connection: Connection = { base: "http://127.0.0.1:1/v1.0/demo", project: "demo", token: Option.none() }

export const anInstance: Instance = {
  id: "i-1",
  name: "first",
  status: "BUILD",
  operating_status: "",
  datastore: { type: "postgresql", version: "18" }
}

export const aStep: Entry = {
  kind: "step",
  operation: "build",
  operation_id: "build-1",
  step: "wait for the database",
  attempt: 1,
  outcome: "running",
  started_at: "2026-11-22T09:00:01.000",
  waits_for: "a login"
}

interface Asked {
  readonly method: string
  readonly url: string
  readonly token: string | undefined
}

/** `answer` null: nothing is there. */
export const api = (answer: (path: string, n: number) => Response | null) => {
  const asked: Array<Asked> = []
  const client = HttpClient.make((request, url) => {
    asked.push({ method: request.method, url: url.href, token: request.headers["x-auth-token"] })
    const response = answer(url.pathname.replace("/v1.0/demo", "") + url.search, asked.length - 1)
    return response === null
      ? Effect.fail(new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request }) }))
      : Effect.succeed(HttpClientResponse.fromWeb(request, response))
  })
  return { asked, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** What one look at the instance finds: itself, or another answer, or nothing that answers. */
export type Look = { readonly instance: Partial<Instance>; readonly entries?: ReadonlyArray<Entry> } | Response | null

/** An API of one instance, which is what `sights` say, one look after the other; the last one stays. */
export const apiOf = (...sights: ReadonlyArray<Look>) => {
  let look = -1
  return api((path) => {
    const isHistory = path.endsWith("/history")
    if (!isHistory) look++
    const sight = sights[Math.min(look, sights.length - 1)] ?? null
    if (sight === null || sight instanceof Response) return sight === null ? null : sight.clone()
    return isHistory
      ? Response.json({ history: { entries: sight.entries ?? [] } })
      : Response.json({ instance: { ...anInstance, ...sight.instance } })
  })
}
