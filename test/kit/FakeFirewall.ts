/** A firewall that exists in memory: the twin of NftFirewall, on a machine that may have none. */
import { Effect } from "effect"
import { FirewallError, type Guard, type HostFirewallShape } from "../../src/guest/HostFirewall.ts"

export interface FakeFirewall extends HostFirewallShape {
  /** What is enforced, by instance. */
  readonly guards: Map<string, Guard>
  /** What it cannot do now. */
  readonly faults: { isMissing: boolean }
}

export const makeFakeFirewall = (): FakeFirewall => {
  const guards = new Map<string, Guard>()
  const faults = { isMissing: false }
  const tell = (change: () => void) =>
    Effect.suspend(() => (faults.isMissing ? new FirewallError({ detail: "no nft" }) : Effect.sync(change)))
  const forget = (id: string) => (guards.has(id) ? tell(() => void guards.delete(id)) : Effect.void)
  return {
    guards,
    faults,
    obstacle: Effect.sync(() => (faults.isMissing ? "no nft" : null)),
    forget,
    guard: (wanted) =>
      Effect.suspend(() =>
        wanted.networks.length === 0
          ? forget(wanted.instanceId)
          : tell(() => void guards.set(wanted.instanceId, wanted))
      ),
    rebuild: (wanted) =>
      Effect.suspend(() => {
        const restricted = wanted.filter(({ networks }) => networks.length > 0)
        if (restricted.length === 0) return Effect.sync(() => guards.clear())
        return tell(() => {
          guards.clear()
          for (const one of restricted) guards.set(one.instanceId, one)
        })
      })
  }
}
