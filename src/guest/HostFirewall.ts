/**
 * Who reaches the databases of this machine, as a port. Adapters: nftables; none, on which nobody can be kept out. The
 * machine's own agents always come in: they speak from the address of the instance itself (`ownSource`).
 */
import { connect, type Socket } from "node:net"
import { Context, Effect, Schema } from "effect"

/** Where another version of a server is tried, by the port that clients know. */
export const trialPort = (port: number) => port + 10_000

/** One database, and the networks whose clients reach it, also while it is being tried; none: everybody does. */
export interface Guard {
  readonly instanceId: string
  readonly address: string
  /** The one that clients know. */
  readonly port: number
  readonly networks: ReadonlyArray<string>
}

/** Nobody can be kept out here; `message` is fit for a tenant, `detail` for an operator. */
export class FirewallError extends Schema.TaggedError<FirewallError>()("FirewallError", { detail: Schema.String }) {
  override get message() {
    return "The machine of the database cannot restrict who reaches it (allowed_cidrs)."
  }
}

export interface HostFirewallShape {
  /** Why nobody could be kept out here now, for an operator; null where somebody could. It changes nothing. */
  readonly obstacle: Effect.Effect<string | null>
  /** These are guarded, and no others. */
  readonly rebuild: (guards: ReadonlyArray<Guard>) => Effect.Effect<void, FirewallError>
  /**
   * From now on only these clients reach it: others are refused, and who was in already is cut off with what it sends
   * next. At once as a whole, or not at all.
   */
  readonly guard: (guard: Guard) => Effect.Effect<void, FirewallError>
  /** Nothing is left that was made for it. */
  readonly forget: (instanceId: string) => Effect.Effect<void, FirewallError>
}

const cannot = new FirewallError({ detail: "there is no firewall that we may use" })

export const noFirewall: HostFirewallShape = {
  obstacle: Effect.succeed(cannot.detail),
  rebuild: (guards) => (guards.some(({ networks }) => networks.length > 0) ? Effect.fail(cannot) : Effect.void),
  guard: ({ networks }) => (networks.length > 0 ? Effect.fail(cannot) : Effect.void),
  forget: () => Effect.void
}

export const HostFirewall = Context.Reference<HostFirewallShape>("coffer/guest/HostFirewall", {
  defaultValue: () => noFirewall
})

/** A connection of the agent to its own server, from that server's address: no guard keeps it out. */
export const ownSource = ({ address, port }: { readonly address: string; readonly port: number }): Socket =>
  connect({ host: address, port, localAddress: address, noDelay: true })
