/** The routes of the users inside an instance. `:user` is a name, or `name@host`. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Text } from "../../services/Ids.ts"
import { policy, Requires } from "../Access.ts"
import { Gate } from "../Gate.ts"
import { DatabaseNames, NewPasswords, NewUsers, UserChange } from "../Names.ts"
import { Validation } from "../Validation.ts"
import { Accepted, nextLink, nextLinks, pageQuery, prefix, project } from "../Wire.ts"

const params = { ...project, instance: Schema.String }
const oneUser = { ...params, user: Text }

export const UserView = Schema.Struct({
  name: Schema.String,
  host: Schema.String,
  databases: Schema.Array(Schema.Struct({ name: Schema.String }))
})

export class UsersApi extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("list", "/instances/:instance/users", {
      params,
      query: pageQuery,
      success: Schema.Struct({ users: Schema.Array(UserView), ...nextLinks, users_links: nextLink })
    }).annotate(Requires, policy("instance:extension:user:index")),
    HttpApiEndpoint.post("create", "/instances/:instance/users", {
      params,
      payload: Schema.Struct({ users: NewUsers }),
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user:create")),
    HttpApiEndpoint.get("show", "/instances/:instance/users/:user", {
      params: oneUser,
      success: Schema.Struct({ user: UserView })
    }).annotate(Requires, policy("instance:extension:user:show")),
    HttpApiEndpoint.delete("remove", "/instances/:instance/users/:user", {
      params: oneUser,
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user:delete")),
    HttpApiEndpoint.put("update", "/instances/:instance/users/:user", {
      params: oneUser,
      payload: Schema.Struct({ user: UserChange }),
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user:update")),
    HttpApiEndpoint.put("changePasswords", "/instances/:instance/users", {
      params,
      payload: Schema.Struct({ users: NewPasswords }),
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user:update_all")),
    HttpApiEndpoint.get("grants", "/instances/:instance/users/:user/databases", {
      params: oneUser,
      success: Schema.Struct({ databases: Schema.Array(Schema.Struct({ name: Schema.String })) })
    }).annotate(Requires, policy("instance:extension:user_access:index")),
    HttpApiEndpoint.put("grant", "/instances/:instance/users/:user/databases", {
      params: oneUser,
      payload: Schema.Struct({ databases: DatabaseNames }),
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user_access:update")),
    HttpApiEndpoint.delete("revoke", "/instances/:instance/users/:user/databases/:database", {
      params: { ...oneUser, database: Text },
      success: Accepted
    }).annotate(Requires, policy("instance:extension:user_access:delete"))
  )
  .prefix(prefix)
  .middleware(Validation)
  .middleware(Gate)
  .annotateMerge(OpenApi.annotations({ title: "Users", description: "Users inside an instance." })) {}
