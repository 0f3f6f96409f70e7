/** The broker's URLs as a guest gets them: with a login and a virtual host put in. */
import { Effect, Redacted } from "effect"
import { GuestAccessError } from "../../services/GuestAccess.ts"

export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted
  readonly vhost: string
}

/** `amqp://host:port`, several hosts separated by commas. A path in it gives way to the virtual host. */
export const withLogin = (
  url: Redacted.Redacted,
  { password, user, vhost }: Login
): Effect.Effect<Redacted.Redacted, GuestAccessError> => {
  const parts = /^([a-z]+:\/\/)([^/@]+)(?:\/.*)?$/.exec(Redacted.value(url))
  if (parts === null) {
    return Effect.fail(
      new GuestAccessError({
        detail:
          "A URL of the broker for guests cannot be used: it looks like amqps://host:5671, without user and password."
      })
    )
  }
  const [, scheme = "", hosts = ""] = parts
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(Redacted.value(password))}@`
  const path = vhost === "/" ? "" : encodeURIComponent(vhost)
  const all = hosts.split(",").map((host) => login + host)
  return Effect.succeed(Redacted.make(`${scheme}${all.join(",")}/${path}`))
}
