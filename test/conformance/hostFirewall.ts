/** What every firewall of a machine does. A world tells who gets in: a client of `source` at a server that is there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type Guard, type HostFirewallShape, trialPort } from "../../src/guest/HostFirewall.ts"

export interface FirewallWorld {
  readonly firewall: HostFirewallShape
  /** Two addresses of servers. */
  readonly addresses: readonly [string, string]
  readonly port: number
  /** At the port that clients know, unless told. */
  readonly getsIn: (source: string, address: string, port?: number) => Effect.Effect<boolean>
}

const near = "127.0.0.1"
const far = "127.77.200.9"

export const hostFirewallConformance = (
  name: string,
  world: Effect.Effect<FirewallWorld, unknown, Scope.Scope>,
  skip = false
) =>
  describe.skipIf(skip)(name, () => {
    const behaves = (
      behaviour: string,
      test: (
        world: FirewallWorld,
        guard: (id: string, networks: ReadonlyArray<string>) => Guard
      ) => Effect.Effect<void, unknown>
    ) =>
      it.effect(behaviour, () =>
        Effect.scoped(
          Effect.flatMap(world, (world) =>
            test(world, (instanceId, networks) => ({
              ...{ instanceId, address: world.addresses[instanceId === "a" ? 0 : 1], port: world.port, networks }
            }))
          )
        )
      )

    behaves("says that it can, where it can", ({ firewall }) =>
      Effect.gen(function* () {
        assert.isNull(yield* firewall.obstacle)
      })
    )

    behaves("lets in clients of the networks, and the server's own address, and nobody else", (world, guard) =>
      Effect.gen(function* () {
        const { addresses, firewall, getsIn } = world
        assert.isTrue(yield* getsIn(near, addresses[0]))
        yield* firewall.guard(guard("a", ["10.0.0.0/8", "127.77.200.0/24"]))
        assert.isFalse(yield* getsIn(near, addresses[0]))
        assert.isTrue(yield* getsIn(far, addresses[0]))
        assert.isTrue(yield* getsIn(addresses[0], addresses[0]))
        const trial = trialPort(world.port)
        assert.isFalse(yield* getsIn(near, addresses[0], trial))
        assert.isTrue(yield* getsIn(far, addresses[0], trial))
        assert.isTrue(yield* getsIn(addresses[0], addresses[0], trial))
        // The others' are theirs.
        assert.isTrue(yield* getsIn(near, addresses[1]))
      })
    )

    behaves("takes what is told last, as often as it is told", ({ addresses, firewall, getsIn }, guard) =>
      Effect.gen(function* () {
        yield* firewall.guard(guard("a", ["10.0.0.0/8"]))
        yield* firewall.guard(guard("a", ["127.0.0.0/8"]))
        yield* firewall.guard(guard("a", ["127.0.0.0/8"]))
        assert.isTrue(yield* getsIn(near, addresses[0]))
        yield* firewall.guard(guard("a", ["10.0.0.0/8"]))
        assert.isFalse(yield* getsIn(near, addresses[0]))
        yield* firewall.guard(guard("a", []))
        yield* firewall.guard(guard("a", []))
        assert.isTrue(yield* getsIn(near, addresses[0]))
      })
    )

    behaves("forgets one, also one that it never knew, and no other", ({ addresses, firewall, getsIn, port }, guard) =>
      Effect.gen(function* () {
        yield* firewall.guard(guard("a", ["10.0.0.0/8"]))
        yield* firewall.guard(guard("b", ["10.0.0.0/8"]))
        yield* firewall.forget("a")
        yield* firewall.forget("a")
        yield* firewall.forget("c")
        assert.isTrue(yield* getsIn(near, addresses[0]))
        assert.isTrue(yield* getsIn(near, addresses[0], trialPort(port)))
        assert.isFalse(yield* getsIn(near, addresses[1]))
      })
    )

    behaves("is made anew: what is told, and nothing of before", ({ addresses, firewall, getsIn }, guard) =>
      Effect.gen(function* () {
        yield* firewall.guard(guard("a", ["10.0.0.0/8"]))
        yield* firewall.rebuild([guard("a", []), guard("b", ["10.0.0.0/8"])])
        assert.isTrue(yield* getsIn(near, addresses[0]))
        assert.isFalse(yield* getsIn(near, addresses[1]))
        yield* firewall.rebuild([])
        assert.isTrue(yield* getsIn(near, addresses[1]))
      })
    )
  })
