/** The routes before any project: which versions of the API there are, and whether the server is up. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Links } from "./Wire.ts"

const Version = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  updated: Schema.String,
  links: Links
})

export class VersionsApi extends HttpApiGroup.make("versions")
  .add(
    HttpApiEndpoint.get("list", "/", { success: Schema.Struct({ versions: Schema.Array(Version) }) }),
    HttpApiEndpoint.get("show", "/v1.0", { success: Schema.Struct({ version: Version }) }),
    HttpApiEndpoint.get("healthcheck", "/healthcheck", { success: Schema.String.pipe(HttpApiSchema.asText()) })
  )
  .annotateMerge(OpenApi.annotations({ title: "Versions", description: "Versions of the API, and its health." })) {}
