/** What the service tells a collector of OpenTelemetry: one order is one trace, and no signal holds a secret. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { eventually } from "./api.ts"
import { type CollectedSpan, type Collector, drawTrace, startCollector } from "./collector.ts"
import { postgres } from "./logins.ts"
import { newService, type Service } from "./service.ts"

const userPassword = "user-Sekrit-77"
const laterPassword = "later-Sekrit-88"
const rootPassword = "root-Sekrit-99"

/** Milliseconds: short, so that the test need not wait. */
const intervals = { OTEL_BSP_SCHEDULE_DELAY: "50", OTEL_BLRP_SCHEDULE_DELAY: "50", OTEL_METRIC_EXPORT_INTERVAL: "200" }

/** How long a turn of the actor may go on after the instance was seen ACTIVE, in milliseconds. */
const aftermath = 500

describe("OpenTelemetry", { timeout: 60_000 }, () => {
  let collector: Collector
  let service: Service
  let id = ""
  let address = ""
  let activeAt = 0
  let secrets: ReadonlyArray<string> = []
  let trace: ReadonlyArray<CollectedSpan> = []
  let output = ""

  /** As many exports of metrics as take longer than the guest's second between two looks at its database. */
  const severalExports = async () => {
    const exports = () => collector.bodies.filter(({ path }) => path === "/v1/metrics").length
    const before = exports()
    await eventually("metrics are exported again and again", () => (exports() > before + 8 ? true : null))
  }

  /** Orders a database, uses all that takes a password, and stops the service, which sends what is left. */
  beforeAll(async () => {
    collector = await startCollector()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...intervals }
    service = await newService({ runtime: "process", env })
    await service.start()
    const token = readFileSync(join(service.root, "token"), "utf8").trim()
    const database = { databases: [{ name: "shop" }] }
    id = await service.create({
      name: "traced",
      ...database,
      users: [{ name: "ann", password: userPassword, ...database }]
    })
    address = (await service.healthy(id)).address
    activeAt = Date.now()
    const path = `/instances/${id}`
    await service.request("POST", `${path}/users`, { users: [{ name: "bob", password: laterPassword, ...database }] })
    // A second time: the user exists already.
    await service.request("POST", `${path}/users`, { users: [{ name: "bob", password: laterPassword, ...database }] })
    await service.request("POST", `${path}/root`, { password: rootPassword })
    expect(
      await postgres({ user: "root", password: rootPassword, database: "shop", address }, "SELECT 1 AS n")
    ).toEqual([{ n: 1 }])
    const headers = { "x-auth-token": token }
    expect((await fetch(`${service.url}/v1.0/demo${path}`, { headers })).status).toBe(200)
    await severalExports()
    secrets = [
      ...[userPassword, laterPassword, rootPassword, token],
      readFileSync(join(service.root, "instances", id, "admin"), "utf8").trim(),
      readFileSync(join(service.root, "control/data/coffer-password"), "utf8").trim(),
      readFileSync(join(service.root, "secrets.key"), "utf8").trim()
    ]
    output = service.output
    await service.stop()
    const post = collector.spans.find(({ attributes }) => attributes["http.route"] === "/v1.0/:project/instances")
    trace = collector.spans.filter(({ traceId }) => traceId === post?.traceId)
  }, 120_000)

  afterAll(async () => {
    await service?.dispose()
    await collector?.close()
  }, 60_000)

  /** Whether the trace leads from each of these spans down to the next. */
  const expectPath = (...path: ReadonlyArray<string>) => {
    const byId = new Map(trace.map((span) => [span.spanId, span]))
    const ancestors = (span: CollectedSpan | undefined): ReadonlyArray<string> =>
      span === undefined ? [] : [...ancestors(byId.get(span.parentSpanId ?? "")), span.name]
    /** Whether the names stand in the line in this order, with whatever between them. */
    const stands = (line: ReadonlyArray<string>, [first, ...rest]: ReadonlyArray<string>): boolean => {
      if (first === undefined) return true
      const at = line.indexOf(first)
      return at >= 0 && stands(line.slice(at + 1), rest)
    }
    const leads = trace.some((span) => span.name === path.at(-1) && stands(ancestors(span), path))
    expect(leads, `${path.join(" > ")} in\n${drawTrace(trace)}`).toBe(true)
  }

  it("a POST is one trace, without a span that is missing", () => {
    const known = new Set(trace.map(({ spanId }) => spanId))
    const roots = trace.filter(({ parentSpanId }) => parentSpanId === undefined || !known.has(parentSpanId))
    expect(roots.map(({ name }) => name)).toEqual(["POST"])
  })

  it("the trace leads from the request to the row and its command", () => {
    expectPath("POST", "InstanceRequests.create", "Instances.create", "sql.transaction")
  })

  it("the trace leads from the request to the turn of the actor that decides", () => {
    expectPath("POST", "taskmanager wake", "Instance.Wake", "Instance.turn", "Lifecycles.commit")
  })

  it.each(["allocate an address", "create the server", "hand the order to the guest", "report"])(
    "the trace leads from the actor to the step: %s",
    (step) => expectPath("Instance.turn", "BuildInstance.execute", step)
  )

  it("the trace leads from a step over the call to the guest to its database's runtime", () => {
    const guest = ["hand the order to the guest", "prepare guestagent", "guestagent prepare", "GuestAgent.prepare"]
    expectPath(...guest, "ProcessRuntime.start", "PostgresServer.initialise")
    expectPath(...guest, "ProcessRuntime.start", "PostgresServer.launch")
  })

  it("spans of steps carry instance, project, operation and step", () => {
    const steps = trace.filter(({ attributes }) => attributes["coffer.step"] !== undefined)
    expect(steps.length).toBeGreaterThanOrEqual(4)
    for (const { attributes, name } of steps) {
      expect(attributes).toMatchObject({
        "coffer.instance": id,
        "coffer.project": "demo",
        "coffer.operation": expect.stringMatching(/^build-/),
        "coffer.step": name
      })
    }
  })

  it("a span carries no attribute that is undefined", () => {
    const undefinedIn = collector.spans.filter(({ attributes }) => Object.values(attributes).includes("undefined"))
    expect(undefinedIn.map(({ name }) => name)).toEqual([])
  })

  it("the trace ends with its order", () => {
    const late = trace.filter(({ startedAt }) => startedAt > activeAt + aftermath)
    expect(late.map(({ name }) => name)).toEqual([])
  })

  it("no signal holds a secret", () => {
    expect(new Set(collector.bodies.map(({ path }) => path))).toEqual(
      new Set(["/v1/traces", "/v1/metrics", "/v1/logs"])
    )
    expect(secrets.every((secret) => secret.length >= 14)).toBe(true)
    for (const secret of secrets) {
      const holding = collector.bodies.filter(({ text }) => text.includes(secret))
      expect(holding.map(({ path, text }) => `${path} ${text.slice(Math.max(0, text.indexOf(secret) - 200))}`)).toEqual(
        []
      )
    }
  })

  it("no line that is printed holds a secret", () => {
    for (const secret of secrets) expect(output).not.toContain(secret)
  })

  it("logs stay one line an event beside the export", () => {
    const events = output.split("\n").filter((line) => line.includes("level="))
    expect(events.some((line) => /^timestamp=\S+ level=INFO .*message=request .*status=200/.test(line))).toBe(true)
    expect(events.filter((line) => line.includes("Building → Active"))).toHaveLength(1)
    expect(output).not.toMatch(/^\[\d\d:/m)
  })
})
