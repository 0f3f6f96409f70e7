/** Handlers of the routes before any project. */
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "./Api.ts"

/** Of all links only this one keeps http: it is what a client uses to find the API. */
const versionView = ({ headers }: HttpServerRequest.HttpServerRequest) => ({
  id: "v1.0",
  status: "CURRENT",
  updated: "2012-08-01T00:00:00Z",
  links: [{ rel: "self", href: `http://${headers["host"] ?? "localhost"}/v1.0/` }]
})

export const VersionsRoutes = HttpApiBuilder.group(Api, "versions", (handlers) =>
  handlers.handleAll({
    list: ({ request }) => Effect.succeed({ versions: [versionView(request)] }),
    show: ({ request }) => Effect.succeed({ version: versionView(request) }),
    healthcheck: () => Effect.succeed("OK")
  })
)
