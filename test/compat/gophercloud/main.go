// Every call of gophercloud's openstack/db/v1, and after it what Terraform's resources make of them, against a service
// without instances in the project of the endpoint. Each line that is printed is a call and how it ended; gophercloud itself sees
// to the codes of success.
//
//	./coffer up --data-dir /tmp/try &
//	export GO111MODULE=off GOPATH=/usr/share/gocode
//	go build -o /tmp/calls ./test/compat/gophercloud
//	OS_ENDPOINT=http://127.0.0.1:8779/v1.0/demo /tmp/calls
//
// With OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME and OS_DOMAIN_NAME it logs in to a Keystone, and finds the
// service there.
package main

import (
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
)

// Without a Keystone a client is its endpoint and a token, which an embedded service does not look at.
func direct(endpoint string) *gophercloud.ServiceClient {
	provider := &gophercloud.ProviderClient{}
	provider.SetToken("notused")
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: endpoint + "/", Type: "database"}
}

func fromCatalogue() (*gophercloud.ServiceClient, error) {
	options, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		return nil, err
	}
	provider, err := openstack.AuthenticatedClient(options)
	if err != nil {
		return nil, err
	}
	return openstack.NewDBV1(provider, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")})
}

func main() {
	client := direct(os.Getenv("OS_ENDPOINT"))
	if os.Getenv("OS_AUTH_URL") != "" {
		found, err := fromCatalogue()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		client = found
	}

	whatThereIsToOrder(client)
	quotas(client)
	group := configurationGroup(client)
	id := anInstance(client)
	databasesIn(client, id)
	usersOf(client, id)
	root(client, id)
	attached(client, id, group)
	sizes(client, id)
	pages(client, id)
	theEnd(client, id, group)

	terraform(client)

	if somethingIsWrong {
		os.Exit(1)
	}
}
