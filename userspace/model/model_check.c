/* Does the model hold together? Runs only when everything could be read. */
#include <string.h>

#include "userspace/model/model_parts.h"

static bool is_l4(const struct listener *l)
{
	return l->protocol == LISTENER_TCP || l->protocol == LISTENER_UDP;
}

static void needs(struct building *b, const struct listener *l, bool has, const char *key)
{
	if (!has)
		finding(&b->reading, l->at, "a listener of protocol %s needs \"%s\"",
			listener_protocol_names[l->protocol], key);
}

static void has_no(struct building *b, const struct listener *l, bool has, const char *key)
{
	if (has)
		finding(&b->reading, l->at, "a listener of protocol %s has no \"%s\"; remove it",
			listener_protocol_names[l->protocol], key);
}

static void check_keys(struct building *b, const struct listener *l)
{
	bool http = l->protocol == LISTENER_HTTP || l->protocol == LISTENER_HTTPS;
	bool tls = l->protocol == LISTENER_TLS_PASSTHROUGH;

	if (http)
		needs(b, l, l->routes, "routes");
	else
		has_no(b, l, l->routes, "routes");
	if (!http) {
		has_no(b, l, l->forwarded.given, "forwarded");
		has_no(b, l, l->requests.given, "requests");
		has_no(b, l, l->request_id.given, "request_id");
	}
	if (tls)
		needs(b, l, l->sni_count > 0, "sni");
	else
		has_no(b, l, l->sni_count > 0, "sni");
	if (http || tls)
		has_no(b, l, l->upstream, "upstream");
	else
		needs(b, l, l->upstream, "upstream");
	if (l->protocol == LISTENER_HTTPS)
		needs(b, l, l->tls.certificate_count > 0, "certificates");
	else
		has_no(b, l, l->tls.certificate_count > 0 || l->tls.client_ca, "certificates");
	if (l->tls.client_certificate != CLIENT_CERTIFICATE_NONE && !l->tls.client_ca)
		finding(&b->reading, l->at,
			"\"client_certificate\" needs \"client_ca\": whom to believe");
	has_no(b, l, l->quic.given && l->protocol != LISTENER_UDP, "quic");
	if (is_l4(l)) {
		needs(b, l, l->forward != FORWARD_NONE, "forward");
	} else {
		has_no(b, l, l->forward != FORWARD_NONE, "forward");
		has_no(b, l, l->ring > 0, "ring");
		has_no(b, l, l->affinity != AFFINITY_CONNECTION, "affinity");
	}
}

static bool is_tunnel(const struct model *m)
{
	static const struct addr none;

	return !addr_is_ip(&m->node.tunnel_address, &none);
}

/* The proxy's own connection to it: what that needs beside what packets need. */
static void check_vpc_endpoint(struct building *b, const struct endpoint *e, const char *who)
{
	const struct addr *tunnel = &b->model->node.tunnel_address;

	if (!vpc_has_source(e->vpc))
		finding(&b->reading, e->at,
			"%s reaches this endpoint in vpc \"%s\" through the proxy, which needs "
			"\"source\" of the vpc: the node's own address inside",
			who, e->vpc->name);
	else if (addr_is_v4(&e->vpc->source) != addr_is_v4(&e->address))
		finding(&b->reading, e->at,
			"this endpoint is of another family than %s, the \"source\" of vpc \"%s\", "
			"from which the proxy would connect to it",
			addr_print(&e->vpc->source).text, e->vpc->name);
	if (!is_tunnel(b->model))
		finding(&b->reading, e->at,
			"this endpoint is in vpc \"%s\", which needs \"tunnel_address\" of the "
			"node",
			e->vpc->name);
	else if (addr_is_v4(&e->host) != addr_is_v4(tunnel))
		finding(&b->reading, e->at,
			"the host %s is of another family than the node's tunnel_address",
			addr_print(&e->host).text);
}

static void check_vpc_behind(struct building *b, const struct upstream *u, const char *who)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		if (u->endpoints[i].vpc)
			check_vpc_endpoint(b, &u->endpoints[i], who);
}

static void check_l7_upstreams(struct building *b, const struct listener *l)
{
	for (uint32_t i = 0; l->routes && i < l->routes->count; i++) {
		const struct route *route = &l->routes->routes[i];

		if (route->upstream)
			check_vpc_behind(b, route->upstream, "a route");
		for (uint32_t k = 0; route->split && k < route->split->count; k++)
			check_vpc_behind(b, route->split->shares[k].upstream, "a route");
	}
	for (uint32_t i = 0; i < l->sni_count; i++)
		check_vpc_behind(b, l->sni[i].upstream, "a server name");
	if (l->upstream)
		check_vpc_behind(b, l->upstream, "a listener");
}

/* Packets are sent to the endpoint itself. */
static void check_direct(struct building *b, const struct listener *l, const struct endpoint *e)
{
	struct addr alone = e->address;

	alone.port = 0;
	if (e->vpc)
		finding(&b->reading, e->at,
			"this endpoint is in vpc \"%s\", which only listeners with forward vxlan "
			"reach",
			e->vpc->name);
	else if (!addr_is_ip(&e->host, &alone))
		finding(&b->reading, e->at,
			"this endpoint has a \"host\", which is for listeners with forward vxlan");
	for (uint32_t i = 0; l->forward == FORWARD_NAT && i < l->vip->address_count; i++)
		if (addr_is_v4(&l->vip->addresses[i]) != addr_is_v4(&e->address))
			finding(&b->reading, e->at,
				"this endpoint is of another family than %s of vip \"%s\", between "
				"which forward nat cannot translate; use another vip",
				addr_print(&l->vip->addresses[i]).text, l->vip->name);
}

static void check_l4_endpoint(struct building *b, const struct listener *l,
			      const struct endpoint *e)
{
	const struct addr *tunnel = &b->model->node.tunnel_address;

	if (l->forward != FORWARD_VXLAN)
		check_direct(b, l, e);
	else if (addr_is_v4(&e->host) != addr_is_v4(tunnel))
		finding(&b->reading, e->at,
			"the host %s is of another family than the node's tunnel_address",
			addr_print(&e->host).text);
	if (l->forward != FORWARD_NAT && e->address.port != htons(l->port))
		finding(&b->reading, e->at,
			"the listener of port %u forwards packets as they "
			"are, so this endpoint's port must be %u, not %u",
			l->port, l->port, ntohs(e->address.port));
}

static bool has_source(const struct node *node, bool v4)
{
	for (uint32_t i = 0; i < node->source_count; i++)
		if (addr_is_v4(&node->sources[i]) == v4)
			return true;
	return false;
}

static void check_nat(struct building *b, const struct listener *l)
{
	const struct node *node = &b->model->node;

	for (uint32_t i = 0; i < l->vip->address_count; i++)
		if (!has_source(node, addr_is_v4(&l->vip->addresses[i])))
			finding(&b->reading, l->at,
				"forward nat needs one of the node's \"source_addresses\" to be of "
				"the family of %s",
				addr_print(&l->vip->addresses[i]).text);
	if (node->nat_port_first <= node->splice_port_last &&
	    node->splice_port_first <= node->nat_port_last)
		finding(&b->reading, l->at,
			"the node's nat_ports (%u-%u) and splice_ports (%u-%u) overlap: no port "
			"can "
			"be both",
			node->nat_port_first, node->nat_port_last, node->splice_port_first,
			node->splice_port_last);
}

static void check_l4(struct building *b, const struct listener *l)
{
	const struct model *m = b->model;

	if (l->upstream && l->upstream->endpoint_count > listener_ring(l))
		finding(&b->reading, l->at,
			"the ring of this listener has %u slots, but upstream \"%s\" has %u "
			"endpoints; give it a larger \"ring\", best a hundred slots an endpoint",
			listener_ring(l), l->upstream->name, l->upstream->endpoint_count);
	if (l->upstream && l->upstream->has_names)
		finding(&b->reading, l->at,
			"the endpoints of upstream \"%s\" are names, which only listeners of the "
			"proxy can use; packet listeners need addresses",
			l->upstream->name);
	if (l->forward == FORWARD_VXLAN && !is_tunnel(m)) {
		finding(&b->reading, l->at,
			"forward vxlan needs \"tunnel_address\" of the node: the "
			"outer source of the packets");
		return;
	}
	if (l->forward == FORWARD_NAT)
		check_nat(b, l);
	for (uint32_t i = 0; l->upstream && i < l->upstream->endpoint_count; i++)
		check_l4_endpoint(b, l, &l->upstream->endpoints[i]);
}

static bool speak_alike(const struct listener *a, const struct listener *b)
{
	return a->port == b->port && (a->protocol == LISTENER_UDP) == (b->protocol == LISTENER_UDP);
}

static const struct addr *common_address(const struct vip *a, const struct vip *b)
{
	for (uint32_t i = 0; i < a->address_count; i++)
		for (uint32_t k = 0; k < b->address_count; k++)
			if (addr_is_ip(&a->addresses[i], &b->addresses[k]))
				return &a->addresses[i];
	return NULL;
}

/* Earlier listeners win the place; the later one is what is wrong. */
static void check_overlap(struct building *b, const struct listener *later)
{
	const struct model *m = b->model;

	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++) {
			const struct listener *l = &m->vips[i].listeners[k];
			const struct addr *common = common_address(l->vip, later->vip);

			if (l->index >= later->index || !common || !speak_alike(l, later))
				continue;
			finding(&b->reading, later->at,
				"port %u of %s has a listener already, in vip \"%s\" at line %u; "
				"remove one of them",
				l->port, addr_print(common).text, l->vip->name, l->at.line);
			return;
		}
}

/* The proxy's own connections leave from there: a listener would take their answers. */
static void check_splice_ports(struct building *b, const struct listener *l)
{
	const struct node *node = &b->model->node;

	if (l->port < node->splice_port_first || l->port > node->splice_port_last)
		return;
	for (uint32_t i = 0; i < l->vip->address_count; i++)
		for (uint32_t k = 0; k < node->source_count; k++)
			if (addr_is_ip(&l->vip->addresses[i], &node->sources[k]))
				finding(&b->reading, l->at,
					"port %u of the source address %s is one of the node's "
					"splice_ports (%u-%u); choose another port or range",
					l->port, addr_print(&node->sources[k]).text,
					node->splice_port_first, node->splice_port_last);
}

static void check_vip(struct building *b, const struct vip *vip)
{
	for (const struct vip *other = b->model->vips; other < vip; other++)
		if (strcmp(other->name, vip->name) == 0)
			finding(&b->reading, vip->at,
				"there are two vips \"%s\", the first at line %u", vip->name,
				other->at.line);
	for (uint32_t i = 0; i < vip->address_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (addr_is_ip(&vip->addresses[i], &vip->addresses[k]))
				finding(&b->reading, vip->at, "vip \"%s\" has the address %s twice",
					vip->name, addr_print(&vip->addresses[i]).text);
	for (uint32_t i = 0; i < vip->listener_count; i++) {
		const struct listener *l = &vip->listeners[i];

		check_keys(b, l);
		check_overlap(b, l);
		check_splice_ports(b, l);
		if (is_l4(l))
			check_l4(b, l);
		else
			check_l7_upstreams(b, l);
	}
}

/* By our address in it a packet's vpc is known: tenants' own addresses may be the same. */
static void check_source(struct building *b, const struct vpc *vpc)
{
	const struct model *m = b->model;
	bool taken = addr_is_ip(&vpc->source, &m->node.tunnel_address);

	for (uint32_t i = 0; i < m->node.source_count; i++)
		taken = taken || addr_is_ip(&vpc->source, &m->node.sources[i]);
	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].address_count; k++)
			taken = taken || addr_is_ip(&vpc->source, &m->vips[i].addresses[k]);
	if (taken)
		finding(&b->reading, vpc->at,
			"the source %s of vpc \"%s\" is an address of the node or of a vip; give "
			"it "
			"one of its own",
			addr_print(&vpc->source).text, vpc->name);
	for (const struct vpc *other = m->vpcs; other < vpc; other++)
		if (addr_is_ip(&vpc->source, &other->source))
			finding(&b->reading, vpc->at,
				"vpc \"%s\" has the source %s of vpc \"%s\"; by it the tenants' "
				"packets are told apart, so give each its own",
				vpc->name, addr_print(&vpc->source).text, other->name);
}

static void check_vpcs(struct building *b)
{
	for (uint32_t i = 0; i < b->model->vpc_count; i++)
		if (vpc_has_source(&b->model->vpcs[i]))
			check_source(b, &b->model->vpcs[i]);
}

/* What comes to a guest address is nobody's but a splice's that was imported. */
static void check_guests(struct building *b)
{
	const struct node *node = &b->model->node;

	for (uint32_t i = 0; i < node->guest_count; i++) {
		bool own = addr_is_ip(&node->guests[i], &node->tunnel_address);

		for (uint32_t k = 0; k < node->source_count; k++)
			own = own || addr_is_ip(&node->guests[i], &node->sources[k]);
		if (own)
			finding(&b->reading, node->guests_at,
				"the guest address %s is one of this node's own; name source "
				"addresses of other nodes",
				addr_print(&node->guests[i]).text);
	}
}

static void check_vnis(struct building *b)
{
	const struct model *m = b->model;

	for (uint32_t i = 0; i < m->vpc_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (m->vpcs[i].vni == m->vpcs[k].vni)
				finding(&b->reading, m->vpcs[i].at,
					"vpc \"%s\" has the VNI %u of vpc \"%s\"; tenants would "
					"see "
					"each other's packets",
					m->vpcs[i].name, m->vpcs[i].vni, m->vpcs[k].name);
}

static void check_endpoints(struct building *b, const struct upstream *u)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (u->endpoints[i].vpc == u->endpoints[k].vpc &&
			    addr_is(&u->endpoints[i].address, &u->endpoints[k].address)) {
				finding(&b->reading, u->endpoints[i].at,
					"upstream \"%s\" has the endpoint %s twice, first at line "
					"%u; remove one, and give the other a weight if it is to "
					"get more",
					u->name, addr_print(&u->endpoints[i].address).text,
					u->endpoints[k].at.line);
				break;
			}
}

/* The kernel's tables have so many rows. */
static void at_most(struct building *b, struct place at, uint32_t max, const char *what,
		    uint32_t found)
{
	if (found > max)
		finding(&b->reading, at, "expected at most %u %s, found %u", max, what, found);
}

/* The kernel holds each ring twice, and while it changes four times. */
static void check_rings(struct building *b)
{
	const struct model *m = b->model;
	uint64_t slots = 0;

	for (uint32_t i = 0; i < m->vip_count; i++)
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++)
			if (is_l4(&m->vips[i].listeners[k]))
				slots += (listener_ring(&m->vips[i].listeners[k]) + 31) / 32 * 32;
	if (slots > RINGS_LIMIT)
		finding(&b->reading, m->vips[0].at,
			"the rings of all listeners of tcp and udp have %llu slots together, more "
			"than %u; give some of them a smaller \"ring\" than %u",
			(unsigned long long)slots, RINGS_LIMIT, RING_DEFAULT);
}

static void check_sizes(struct building *b)
{
	const struct model *m = b->model;
	uint32_t rows = 0, packets = 0;

	for (uint32_t i = 0; i < m->vip_count; i++) {
		rows += m->vips[i].address_count * m->vips[i].listener_count;
		for (uint32_t k = 0; k < m->vips[i].listener_count; k++)
			packets += is_l4(&m->vips[i].listeners[k]);
	}
	if (m->vip_count > 0) {
		const struct place at = m->vips[0].at;

		at_most(b, at, VIP_ROWS_MAX, "pairs of vip address and listener", rows);
		at_most(b, at, LISTENERS_MAX, "listeners of tcp and udp", packets);
		at_most(b, at, LISTENERS_MAX, "listeners of other protocols",
			m->listener_count - packets);
	}
	if (m->upstream_count > 0)
		at_most(b, m->upstreams[0].at, ENDPOINTS_LIMIT, "endpoints in all upstreams",
			m->endpoint_count);
}

void model_check(struct building *b)
{
	const struct model *m = b->model;

	check_sizes(b);
	check_guards(b);
	check_rings(b);
	check_quic(b);
	check_vnis(b);
	check_vpcs(b);
	check_guests(b);
	for (uint32_t i = 0; i < m->upstream_count; i++)
		check_endpoints(b, &m->upstreams[i]);
	check_routes(b);
	for (uint32_t i = 0; i < m->vip_count; i++)
		check_vip(b, &m->vips[i]);
	if (b->reading.findings->count == 0)
		check_tests(b);
}
