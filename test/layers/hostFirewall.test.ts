/** Firewalls, the one in memory and nftables; and what nftables does beside: heal, and be gone with its owner. */
import { execFileSync, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { connect, createServer } from "node:net"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { DatabasesOutliveAgents } from "../../src/guest/GuestAgent.ts"
import { HostFirewall, trialPort } from "../../src/guest/HostFirewall.ts"
import * as NftFirewall from "../../src/layers/embedded/NftFirewall.ts"
import { reduced } from "../../src/services/AllowedNetworks.ts"
import { type FirewallWorld, hostFirewallConformance } from "../conformance/hostFirewall.ts"
import { makeFakeFirewall } from "../kit/FakeFirewall.ts"
import { ensurePackages, nftables } from "../support/packages.ts"

const missing = await ensurePackages(nftables)

const bitsOf = (address: string) =>
  address
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("")
const isIn = (address: string, network: string) => {
  const [base = "", bits] = network.split("/")
  return bitsOf(address).startsWith(bitsOf(base).slice(0, Number(bits)))
}

hostFirewallConformance(
  "a firewall in memory",
  Effect.sync((): FirewallWorld => {
    const firewall = makeFakeFirewall()
    const getsIn = (source: string, address: string) =>
      Effect.sync(() => {
        const guard = [...firewall.guards.values()].find((one) => one.address === address)
        return guard === undefined || source === address || guard.networks.some((network) => isIn(source, network))
      })
    return { firewall, addresses: ["127.77.201.1", "127.77.201.2"], port: 5432, getsIn }
  })
)

const listener = (address: string, port = 5432) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => void socket.on("error", () => {}).write("hello"))
      server.listen(port, address, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

const getsIn = (localAddress: string, host: string, port = 5432) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port, localAddress })
    const done = (isIn: boolean) => {
      socket.destroy()
      resume(Effect.succeed(isIn))
    }
    socket.once("data", () => done(true)).once("error", () => done(false))
  })

const addresses = ["127.77.201.1", "127.77.201.2"] as const

/** Nothing is left of it, as of a machine that guards nothing any more. */
const nftFirewall = Effect.fnUntraced(function* (root: string) {
  const context = yield* Layer.build(Layer.fresh(NftFirewall.layer(root)))
  const firewall = yield* Effect.provideContext(HostFirewall, context)
  yield* Effect.addFinalizer(() => Effect.ignore(firewall.rebuild([])))
  return firewall
})

const nftWorld = Effect.gen(function* () {
  const firewall = yield* nftFirewall(`/nowhere/${randomUUID()}`)
  for (const address of addresses) for (const port of [5432, trialPort(5432)]) yield* listener(address, port)
  return { firewall, addresses, port: 5432, getsIn }
})

hostFirewallConformance(`nftables${missing === null ? "" : ` (skipped: ${missing})`}`, nftWorld, missing !== null)

const guard = { instanceId: "a", address: addresses[0], port: 5432, networks: ["10.0.0.0/8"] }

const hasTable = (table: string) =>
  execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).includes(`table ip ${table}\n`)

it.live.skipIf(missing !== null)("nftables: what somebody has thrown away is made anew", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = `/nowhere/${randomUUID()}`
      const firewall = yield* nftFirewall(root)
      yield* listener(addresses[0])
      yield* firewall.guard(guard)
      execFileSync("nft", ["delete", "table", "ip", NftFirewall.tableOf(root)])
      assert.isTrue(yield* getsIn("127.0.0.1", addresses[0]))
      const isRefused = Effect.map(getsIn("127.0.0.1", addresses[0]), (isIn) => !isIn)
      yield* Effect.repeat(isRefused, {
        until: (isRefused) => isRefused,
        times: 300,
        schedule: Schedule.spaced("100 millis")
      })
      assert.isFalse(yield* getsIn("127.0.0.1", addresses[0]))
    })
  )
)

it.effect.skipIf(missing !== null)(
  "nftables: the table goes with its owner, but where databases go on without it",
  () =>
    Effect.gen(function* () {
      for (const [outlive, isGuarded] of [
        [false, false],
        [false, true],
        [true, false]
      ] as const) {
        const root = `/nowhere/${randomUUID()}`
        const scope = yield* Scope.make()
        const layer = NftFirewall.layer(root).pipe(Layer.provide(Layer.succeed(DatabasesOutliveAgents, outlive)))
        const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
        const firewall = yield* Effect.provideContext(HostFirewall, context)
        assert.isFalse(hasTable(NftFirewall.tableOf(root)))
        yield* firewall.guard(guard)
        assert.isTrue(hasTable(NftFirewall.tableOf(root)))
        // Also an empty one.
        if (!isGuarded) yield* firewall.guard({ ...guard, networks: [] })
        yield* Scope.close(scope, Exit.void)
        const isLeft = outlive || isGuarded
        assert.strictEqual(hasTable(NftFirewall.tableOf(root)), isLeft)
        if (isLeft) execFileSync("nft", ["delete", "table", "ip", NftFirewall.tableOf(root)])
      }
    })
)

it.live.skipIf(missing !== null)(
  "nftables: of this machine's users, only ours comes in from a server's own address",
  () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { firewall } = yield* nftWorld
        yield* firewall.guard(guard)
        const program = `require("node:net").connect({ host: "${guard.address}", port: 5432, localAddress: "${guard.address}" })
        .once("data", () => process.exit(0)).once("error", () => process.exit(7))`
        const as = (uid: number) =>
          Effect.callback<number | null>((resume) => {
            const child = spawn(process.execPath, ["-e", program], { uid, gid: uid, stdio: "ignore", cwd: "/" })
            child.once("exit", (code) => resume(Effect.succeed(code)))
          })
        assert.deepEqual([yield* as(0), yield* as(65_534)], [0, 7])
      })
    )
)

it("networks are told in as few as they need", () => {
  assert.deepEqual(reduced(["10.1.2.3/8", "10.0.0.0/16", "192.168.7.0/24", "10.0.0.0/8"]), [
    "10.0.0.0/8",
    "192.168.7.0/24"
  ])
  assert.deepEqual(reduced(["10.0.0.0/8", "0.0.0.0/0"]), [])
  assert.deepEqual(reduced(["255.255.255.255/32", "128.0.0.1/32", "128.0.0.0/31"]), [
    "128.0.0.0/31",
    "255.255.255.255/32"
  ])
})
