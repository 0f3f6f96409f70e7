/**
 * Plays commands to the API over a whole control plane, and to the model. After each of them the answer is what the model
 * says, and so is all that can be seen: what each tenant lists, its quota, and what the databases really hold.
 */
import { expect } from "@effect/vitest"
import { Clock, Duration, Effect, Redacted, Schema } from "effect"
import { RuntimeError } from "../../../src/guest/DatabaseRuntime.ts"
import { FakeDatabases } from "../../kit/FakeDatabases.ts"
import * as World from "../../kit/World.ts"
import * as Service from "../service.ts"
import { type Command, tenants } from "./Commands.ts"
import {
  detailed,
  type Expected,
  forbidden,
  type Instance,
  inOrder,
  listed,
  Model,
  notFound,
  unauthorized
} from "./Model.ts"
import { answerOf, answerToRetry, ordered, orderOf, refusedOrder, requestOf } from "./Rules.ts"

/** How long each phase lasts at least and at the most, in milliseconds, where servers take two seconds to start. */
const startTime = Duration.seconds(2)
const removeTime = Duration.seconds(1)
const lasts = { building: [2_000, 8_000], restarting: [2_000, 6_000], deleting: [1_000, 8_000] } as const
const longest = 8_000

const startFails = new RuntimeError({ message: "The machine has no disk left.", detail: "", transient: false })

/** How often an instance that is ACTIVE is looked at until its guest is seen to be HEALTHY. */
const looks = 10

const nobody = "ffffffff-0000-4000-8000-000000000000"

const Created = Schema.Struct({ instance: Schema.Struct({ id: Schema.String }) })
const Seen = Schema.Struct({ instance: Schema.Struct({ status: Schema.String, operating_status: Schema.String }) })
const Paged = Schema.Struct({
  links: Schema.optionalKey(Schema.Array(Schema.Struct({ rel: Schema.String, href: Schema.String })))
})
const decode = <A>(schema: Schema.Schema<A> & { readonly DecodingServices: never }, body: unknown) =>
  Effect.orDie(Schema.decodeUnknownEffect(schema)(body))

/** The query of the next page, as troveclient makes it: it decodes the link once, and sends what it gets. */
const nextOf = ({ links }: typeof Paged.Type) =>
  links?.[0]?.href.replace(/^.*\?/, "?").replace(/(?<=marker=)[^&]*/, (marker) => decodeURIComponent(marker))

const mostPages = 100

const callerOf = (name: string): Service.Caller => ({ name, admin: false })

const make = Effect.fnUntraced(function* (met: Map<string, number>) {
  const ask = yield* Service.make
  const { faults, servers } = yield* FakeDatabases
  Object.assign(faults, { startTime, removeTime })
  const model = new Model()

  const expectAnswer = (what: string, { body, status }: Service.Answer, expected: Expected) => {
    met.set(`${what} ${status}`, (met.get(`${what} ${status}`) ?? 0) + 1)
    expect(status, `${what}: ${JSON.stringify(body)}`).toBe(expected.status)
    if (expected.body === null) expect(body, what).toBeNull()
    else expect(body, what).toMatchObject(Object(expected.body))
  }

  /** All pages of a list. */
  const walk = Effect.fnUntraced(function* (tenant: string, path: string, limit: number) {
    const pages: Array<unknown> = []
    let query: string | undefined = `?limit=${limit}`
    while (query !== undefined) {
      const { body, status }: Service.Answer = yield* ask(callerOf(tenant), "GET", `${path}${query}`)
      expect(status, `${path}${query}`).toBe(200)
      pages.push(body)
      expect(pages.length, `pages of ${path}`).toBeLessThan(mostPages)
      query = nextOf(yield* decode(Paged, body))
    }
    return pages
  })

  /** The pages that the model has of a tenant's instances: picked by id, each shown newest first. */
  const pagesOf = (tenant: string, limit: number, view: (instance: Instance) => object) => {
    const all = model.of(tenant)
    const pages = Math.max(1, Math.ceil(all.length / limit))
    return Array.from({ length: pages }, (_, n) => ({
      instances: all
        .slice(n * limit, (n + 1) * limit)
        .toSorted((a, b) => b.created - a.created)
        .map(view)
    }))
  }

  const list = Effect.fnUntraced(function* (tenant: string, detail: boolean, limit: number) {
    const pages = yield* walk(tenant, detail ? "/instances/detail" : "/instances", limit)
    expect(pages, `what ${tenant} lists`).toMatchObject(pagesOf(tenant, limit, detail ? detailed : listed))
  })

  /** What time has brought about; the model says only between when and when it may. */
  const learn = Effect.fnUntraced(function* (instance: Instance) {
    const { id, phase, project, since } = instance
    if (phase === "active" || phase === "failed" || phase === "gone") return
    for (let look = 0; look < looks; look++) {
      const elapsed = (yield* Clock.currentTimeMillis) - since
      const [earliest, latest] = lasts[phase]
      const { body, status } = yield* ask(callerOf(project), "GET", `/instances/${id}`)
      if (status === 200 && listed(instance).status === (yield* decode(Seen, body)).instance.status) {
        return expect(elapsed, `${id} is ${phase}`).toBeLessThan(latest)
      }
      expect(elapsed, `${id} was ${phase}`).toBeGreaterThanOrEqual(earliest)
      if (phase === "deleting") {
        expect(status, `${id} was deleted`).toBe(404)
        instance.phase = "gone"
        return
      }
      const { operating_status, status: now } = (yield* decode(Seen, body)).instance
      expect(now, `${id} was ${phase}`).toBe("ACTIVE")
      if (operating_status === "HEALTHY") {
        instance.phase = "active"
        return
      }
      yield* World.passes("500 millis")
    }
    expect.fail(`${id} is ACTIVE, and its guest is not seen to be well`)
  })

  const pass = Effect.fnUntraced(function* (millis: number) {
    yield* World.passes(Duration.millis(millis), millis > 1000 ? "200 millis" : "100 millis")
    for (const instance of model.instances) yield* learn(instance)
  })

  /** What a database holds, and who gets in with which password, is what its tenant was told. */
  const inside = Effect.fnUntraced(function* ({ databases, id, phase, project, root, users }: Instance) {
    const server = servers.get(id)
    if (phase === "gone") expect(server, `the server of ${id}, which is deleted`).toBeUndefined()
    if (phase !== "active") return
    expect(inOrder(server?.databases.keys() ?? []), `databases of ${id}`).toEqual(inOrder([...databases, "postgres"]))
    const held = [...users].map(([name, { grants }]) => [name, [...grants].sort()])
    const really = server?.users.map(({ databases, name }) => [name, databases.map(({ name }) => name)]) ?? []
    expect(Object.fromEntries(really), `users of ${id}`).toEqual(Object.fromEntries(held))
    const logins = [...users].flatMap(([name, { grants, password }]) =>
      [...grants].map((database) => [name, password, database] as const)
    )
    const { body } = yield* ask(callerOf(project), "GET", `/instances/${id}/root`)
    expect(body, `root of ${id}`).toEqual({ rootEnabled: root !== null })
    if (root !== null) logins.push(["root", root, "postgres"])
    for (const [name, password, database] of logins)
      expect(
        (yield* Effect.exit(server?.connect(name, Redacted.make(password), database) ?? Effect.void))._tag,
        `${name} of ${id} gets into ${database}`
      ).toBe("Success")
  })

  const look = Effect.gen(function* () {
    for (const tenant of tenants) {
      yield* list(tenant, false, 20)
      const { body } = yield* ask(callerOf(tenant), "GET", `/mgmt/quotas/${tenant}`)
      expect(body, `the quotas of ${tenant}`).toEqual({ quotas: model.quotas(tenant) })
    }
    for (const instance of model.instances) yield* inside(instance)
  })

  const setQuota = Effect.fnUntraced(function* ({
    by,
    limits,
    tenant
  }: Extract<Command, { readonly do: "set quota" }>) {
    const caller = by === "operator" ? Service.operator : callerOf(tenant)
    const answer = yield* ask(caller, "PUT", `/mgmt/quotas/${tenant}`, { quotas: limits })
    if (by === "tenant") return expectAnswer("set quota", answer, unauthorized("User does not have admin privileges."))
    expectAnswer("set quota", answer, { status: 200, body: { quotas: limits } })
    model.setLimits(tenant, limits)
  })

  const isStarting = () => model.instances.some(({ phase }) => phase === "building" || phase === "restarting")

  /** The build of an instance fails, and nobody else's. */
  const fails = Effect.fnUntraced(function* (instance: Instance) {
    yield* World.passes(Duration.millis(longest), "200 millis")
    faults.startFails = null
    instance.phase = "failed"
    yield* pass(0)
  })

  const create = Effect.fnUntraced(function* (order: Extract<Command, { readonly do: "create" }>) {
    const { tenant } = order
    const isDoomed = order.doomed && !isStarting() && refusedOrder(model, tenant, order) === null
    if (isDoomed) faults.startFails = startFails
    const now = yield* Clock.currentTimeMillis
    const answer = yield* ask(callerOf(tenant), "POST", "/instances", orderOf(order))
    const refusal = refusedOrder(model, tenant, order)
    if (refusal !== null) return expectAnswer("create", answer, refusal)
    expect(answer.status, `create: ${JSON.stringify(answer.body)}`).toBe(200)
    const { id } = (yield* decode(Created, answer.body)).instance
    const instance = ordered(id, tenant, order, now)
    expectAnswer("create", answer, { status: 200, body: { instance: detailed(instance) } })
    model.instances.push(instance)
    if (isDoomed) yield* fails(instance)
  })

  const retry = Effect.fnUntraced(function* ({ by, there }: Extract<Command, { readonly do: "retry" }>) {
    const instance = model.find({ there })
    if (instance === null) return
    const caller = by === "operator" ? Service.operator : callerOf(instance.project)
    const now = yield* Clock.currentTimeMillis
    const answer = yield* ask(caller, "POST", `/mgmt/operations/${instance.id}/action`, { retry: {} })
    if (by === "tenant")
      return expectAnswer("retry", answer, forbidden("Policy doesn't allow operation:action to be performed."))
    expectAnswer("retry", answer, answerToRetry(instance, now))
    // It shows when the actor has taken it.
    yield* pass(100)
  })

  /** All databases and users, page by page, in the order of names. */
  const walkInside = Effect.fnUntraced(function* ({ databases, id, phase, project, users }: Instance, limit: number) {
    if (phase !== "active") return
    for (const [collection, known] of [
      ["databases", inOrder(databases)],
      ["users", inOrder(users.keys())]
    ] as const) {
      const pages = yield* walk(project, `/instances/${id}/${collection}`, limit)
      const expected = Array.from({ length: Math.max(1, Math.ceil(known.length / limit)) }, (_, n) => ({
        [collection]: known.slice(n * limit, (n + 1) * limit).map((name) => ({ name }))
      }))
      expect(pages, `all ${collection} of ${id}`).toMatchObject(expected)
    }
  })

  /** Of one whose build has failed nothing is left to remove, so it goes at any moment; but no more is it shown in ERROR. */
  const leaves = Effect.fnUntraced(function* (instance: Instance) {
    const { body, status } = yield* ask(callerOf(instance.project), "GET", `/instances/${instance.id}`)
    if (status !== 404) expect(body).toMatchObject({ instance: detailed(instance) })
    yield* World.passes("5 seconds", "200 millis")
    yield* pass(0)
    expect(instance.phase).toBe("gone")
  })

  const askOf = Effect.fnUntraced(function* ({ what, which }: Extract<Command, { readonly do: "ask" }>) {
    const instance = model.find(which)
    const tenant = "by" in which ? which.by : (instance?.project ?? tenants[0])
    const id = instance?.id ?? nobody
    const { body, method, path } = requestOf(what)
    const now = yield* Clock.currentTimeMillis
    const answer = yield* ask(callerOf(tenant), method, `/instances/${id}${path}`, body)
    if (instance === null || instance.project !== tenant || instance.phase === "gone")
      return expectAnswer(what.do, answer, notFound(`Resource ${id} cannot be found.`))
    const wasFailed = instance.phase === "failed"
    expectAnswer(what.do, answer, answerOf(instance, what, now))
    if (wasFailed && instance.phase === "deleting") return yield* leaves(instance)
    if (what.do === "list databases" || what.do === "list users") yield* walkInside(instance, what.limit)
  })

  const play = (command: Command) => {
    switch (command.do) {
      case "create":
        return create(command)
      case "list":
        return list(command.tenant, command.detail, command.limit)
      case "ask":
        return askOf(command)
      case "retry":
        return retry(command)
      case "set quota":
        return setQuota(command)
      case "pass":
        return pass(command.millis)
    }
  }

  /** Whatever was ordered can be given back, and nothing is left of it. */
  const end = Effect.gen(function* () {
    yield* pass(longest)
    for (const instance of model.instances) yield* walkInside(instance, 1)
    for (const [there] of model.instances.filter(({ phase }) => phase !== "gone").entries())
      yield* askOf({ do: "ask", which: { there }, what: { do: "delete" } })
    yield* pass(longest)
    yield* look
    expect(servers.size, "servers that are left").toBe(0)
  })

  return { model, play: (command: Command) => Effect.andThen(play(command), look), end }
})

/** Plays a whole sequence in a world of its own; counts in `met` what was asked and answered. */
export const playAll = (commands: ReadonlyArray<Command>, met: Map<string, number>) =>
  World.run(
    Effect.gen(function* () {
      const { end, play } = yield* make(met)
      for (const command of commands) yield* play(command)
      yield* end
    })
  )
