/** What an order says; and passwords that were drawn, where the answer to the order does not come: nobody else knows them. */
import { createServer, type ServerResponse } from "node:http"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { coffer } from "./process.ts"

/** An API that knows a flavor, and answers an order in its own way; it remembers the password that was ordered. */
const ordering = (answer: (response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly url: string
      readonly ordered: Array<string>
      readonly orders: Array<unknown>
      readonly close: () => void
    }>((resume) => {
      const ordered: Array<string> = []
      const orders: Array<unknown> = []
      const server = createServer((request, response) => {
        if (request.method === "GET") {
          response.setHeader("content-type", "application/json")
          return response.end(JSON.stringify({ flavors: [{ name: "small", str_id: "1" }] }))
        }
        let body = ""
        request.on("data", (chunk) => {
          body += chunk
        })
        request.once("end", () => {
          const { instance } = JSON.parse(body)
          orders.push(instance)
          ordered.push(instance.users[0].password)
          answer(response)
        })
        return response
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, ordered, orders, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const json = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}

const order = [
  "instance",
  "create",
  "first",
  "--datastore",
  "mysql",
  "--flavor",
  "small",
  "--size",
  "1",
  "--user",
  "ann"
]

describe("an order", () => {
  it.live("names the zone that is asked for, and none where none is", () =>
    Effect.gen(function* () {
      const { orders, url } = yield* ordering((response) =>
        json(response, 400, { badRequest: { code: 400, message: "" } })
      )
      yield* coffer([...order, "--url", url, "--zone", "az2"])
      yield* coffer([...order, "--url", url])
      expect(orders[0]).toMatchObject({ availability_zone: "az2" })
      expect(orders[1]).not.toHaveProperty("availability_zone")
    }).pipe(Effect.scoped)
  )
})

describe("a drawn password is told", () => {
  it.live.each<readonly [string, (response: ServerResponse) => void]>([
    ["the answer breaks off", (response) => void response.destroy()],
    ["the answer is of something else", (response) => json(response, 200, { hello: "there" })],
    ["the answer tells of no instance", (response) => json(response, 200, { instance: {} })],
    ["the service has failed", (response) => json(response, 503, {})]
  ])("when %s", ([, answer]) =>
    Effect.gen(function* () {
      const { ordered, url } = yield* ordering(answer)
      const { code, out } = yield* coffer([...order, "--url", url])
      expect(code).toBe(1)
      expect(out).toBe(
        `Whether first was ordered is not known: coffer instance list tells. If it was:\nThe password of ann, told only now: ${ordered[0]}\n`
      )
      const document = yield* coffer([...order, "--url", url, "--json"])
      expect(document.code).toBe(1)
      expect(JSON.parse(document.out)).toEqual({ instance: null, passwords: { ann: ordered[1] } })
    }).pipe(Effect.scoped)
  )

  it.live("never, where the order was refused", () =>
    Effect.gen(function* () {
      const { url } = yield* ordering((response) => json(response, 400, { badRequest: { code: 400, message: "No." } }))
      expect(yield* coffer([...order, "--url", url])).toEqual({ code: 1, out: "", err: "coffer: No.\n" })
    }).pipe(Effect.scoped)
  )
})
