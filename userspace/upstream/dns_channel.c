#include "userspace/upstream/dns_channel.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "userspace/base/must.h"

enum {
	SOCKETS_MAX = 32,
	TRIES = 2,
	SERVERS_TEXT_MAX = 512,
	DATAGRAM_BYTES = 1232 /* passes unfragmented */,
	TARGET_MAX = 1025,
	RECORDS_MAX = 1024 /* of an answer that are looked at */
};

struct dns_socket {
	struct watch watch;
	struct dns_channel *channel;
	int fd; /* -1: free */
};

struct dns_channel {
	struct loop *loop;
	struct dns dns;
	ares_channel ares;
	struct dns_socket sockets[SOCKETS_MAX];
	struct timer timeout;
	bool ending;
};

struct target {
	char name[TARGET_MAX];
	uint16_t port, weight, priority;
};

/* One question, with those that follow from it. */
struct question {
	struct dns_channel *channel;
	struct dns_answer answer;
	void (*on_answer)(void *context, const struct dns_answer *answer);
	void *context;
	struct name_answer
		*all; /* RECORDS_MAX; which of them are used does not depend on their order */
	uint32_t all_count;
	struct target *targets; /* NAME_SRV */
	uint32_t target_count;
	uint32_t target; /* that is asked for now */
};

/* --- c-ares on our loop -------------------------------------------------------------------- */

static void set_timeout(struct dns_channel *c)
{
	struct timeval most = { .tv_sec = 3600 }, next;

	if (c->ending)
		return;
	next = *ares_timeout(c->ares, &most, &most);
	timer_start(&c->timeout, (uint64_t)next.tv_sec * 1000 + (uint64_t)next.tv_usec / 1000 + 1);
}

static void on_ready(void *context, int events)
{
	struct dns_socket *s = context;
	struct dns_channel *c = s->channel;
	int fd = s->fd;

	ares_process_fd(c->ares, events & WATCH_READ ? fd : ARES_SOCKET_BAD,
			events & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
	set_timeout(c);
}

static void on_timeout(void *context)
{
	struct dns_channel *c = context;

	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timeout(c);
}

static struct dns_socket *find_socket(struct dns_channel *c, int fd)
{
	for (uint32_t i = 0; i < SOCKETS_MAX; i++)
		if (c->sockets[i].fd == fd)
			return &c->sockets[i];
	return NULL;
}

/* Where there is no place for one more, its question runs into its time-out. */
static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
	struct dns_channel *c = context;
	struct dns_socket *s = find_socket(c, fd);

	if (!s && (readable || writable)) {
		s = find_socket(c, -1);
		if (!s)
			return;
		s->fd = fd;
		s->channel = c;
		watch_init(&s->watch, c->loop, fd, on_ready, s);
	}
	if (!s)
		return;
	if (readable || writable) {
		watch_set(&s->watch, (readable ? WATCH_READ : 0) | (writable ? WATCH_WRITE : 0));
		return;
	}
	watch_fini(&s->watch);
	s->fd = -1;
}

static bool use_servers(struct dns_channel *c, struct err *err)
{
	char text[SERVERS_TEXT_MAX] = "";
	size_t used = 0;
	int status;

	for (uint32_t i = 0; i < c->dns.server_count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
					 addr_print(&c->dns.servers[i]).text);
	status = used ? ares_set_servers_ports_csv(c->ares, text) : ARES_SUCCESS;
	return status == ARES_SUCCESS ||
	       err_set(err, "cannot use the name servers %s: %s", text, ares_strerror(status));
}

struct dns_channel *dns_channel_create(struct loop *loop, const struct dns *dns, struct err *err)
{
	struct dns_channel *c = must_alloc(sizeof(*c));
	struct ares_options options = { .timeout = (int)dns->timeout_ms,
					.tries = TRIES,
					.flags = ARES_FLAG_EDNS,
					.ednspsz = DATAGRAM_BYTES,
					.sock_state_cb = on_socket,
					.sock_state_cb_data = c };
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	c->loop = loop;
	c->dns = *dns;
	for (uint32_t i = 0; i < SOCKETS_MAX; i++)
		c->sockets[i].fd = -1;
	timer_init(&c->timeout, loop, on_timeout, c);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&c->ares, &options,
					   ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
						   ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS) {
		err_set(err, "cannot look up names: %s", ares_strerror(status));
		ares_library_cleanup();
		free(c);
		return NULL;
	}
	if (use_servers(c, err))
		return c;
	dns_channel_destroy(c);
	return NULL;
}

void dns_channel_destroy(struct dns_channel *c)
{
	if (!c)
		return;
	c->ending = true;
	ares_destroy(c->ares);
	ares_library_cleanup();
	timer_stop(&c->timeout);
	free(c);
}

/* --- answers ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct name_answer));
}

/* Each once, in order, so that too many are cut alike however the server turns them. */
static void settle(struct question *q)
{
	struct dns_answer *a = &q->answer;

	if (!q->all)
		return;
	qsort(q->all, q->all_count, sizeof(q->all[0]), compare);
	for (uint32_t i = 0; i < q->all_count; i++) {
		if (i && addr_is(&q->all[i].address, &q->all[i - 1].address))
			continue;
		if (a->count < NAME_ANSWERS_MAX)
			a->answers[a->count++] = q->all[i];
		else
			a->left_out++;
	}
}

static void finish(struct question *q)
{
	struct dns_answer *a = &q->answer;

	settle(q);
	if (a->status == DNS_ANSWERED && a->count == 0) {
		a->status = DNS_NO_SUCH_NAME;
		a->why = "it has no address that can be used";
	}
	if (!q->channel->ending)
		q->on_answer(q->context, a);
	free(q->targets);
	free(q->all);
	free(q);
}

static void fail(struct question *q, int status)
{
	bool certain = status == ARES_ENOTFOUND || status == ARES_ENODATA;

	q->answer.status = certain ? DNS_NO_SUCH_NAME : DNS_FAILED;
	q->answer.why = ares_strerror(status);
	finish(q);
}

static void shorten_ttl(struct dns_answer *a, uint32_t ttl_s)
{
	if (ttl_s < a->ttl_s)
		a->ttl_s = ttl_s;
}

/* Not "this host" (RFC 1122, 3.2.1.3), nor multicast and what is beyond. */
static bool can_be_endpoint(const struct addr *a)
{
	uint32_t first = ntohl(a->ip[3]);

	if (addr_is_v4(a))
		return first >> 24 && first >> 28 < 14;
	return (a->ip[0] | a->ip[1] | a->ip[2] | a->ip[3]) && ntohl(a->ip[0]) >> 24 != 0xff;
}

static bool may_be_endpoint(const struct dns *dns, const struct addr *a)
{
	struct network_list allowed = { dns->allow, dns->allow_count };

	return can_be_endpoint(a) && (!allowed.count || network_list_has(&allowed, a));
}

static void add(struct question *q, const struct ares_addrinfo_node *node, uint16_t port)
{
	struct dns_answer *a = &q->answer;
	const struct target *t = q->targets ? &q->targets[q->target] : NULL;
	struct name_answer one = { .weight = t ? t->weight : 0, .priority = t ? t->priority : 0 };

	if (!addr_from_sockaddr(node->ai_addr, &one.address))
		return;
	one.address.port = 0;
	if (!may_be_endpoint(&q->channel->dns, &one.address)) {
		if (a->refused++ == 0)
			a->refused_first = one.address;
		return;
	}
	one.address.port = htons(port);
	shorten_ttl(a, node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0);
	if (!q->all)
		q->all = must_alloc(RECORDS_MAX * sizeof(q->all[0]));
	if (q->all_count < RECORDS_MAX)
		q->all[q->all_count++] = one;
	else
		a->left_out++;
}

static void add_all(struct question *q, const struct ares_addrinfo *info, uint16_t port)
{
	enum dns_family family = q->channel->dns.family;
	bool has_v4 = false;

	for (const struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next)
		has_v4 |= n->ai_family == AF_INET;
	for (const struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next)
		if (family != DNS_AUTO || !has_v4 || n->ai_family == AF_INET)
			add(q, n, port);
	for (const struct ares_addrinfo_cname *n = info->cnames; n; n = n->next)
		shorten_ttl(&q->answer, n->ttl > 0 ? (uint32_t)n->ttl : 0);
}

static void ask_addresses(struct question *q, const char *name);

/* Whether the next target is another port of the same name, which need not be asked for again. */
static bool has_same_next(const struct question *q)
{
	uint32_t next = q->target + 1;

	return q->targets && next < q->target_count &&
	       strcmp(q->targets[next].name, q->targets[q->target].name) == 0;
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question *q = context;
	bool gone = q->targets && (status == ARES_ENOTFOUND || status == ARES_ENODATA);

	(void)timeouts;
	do {
		if (status == ARES_SUCCESS)
			add_all(q, info, q->targets ? q->targets[q->target].port : 0);
	} while (has_same_next(q) && ++q->target);
	ares_freeaddrinfo(info);
	/* One of several that is gone does not take the others with it. */
	if (status != ARES_SUCCESS && !gone)
		fail(q, status);
	else if (!q->targets || q->target + 1 == q->target_count)
		finish(q);
	else
		ask_addresses(q, q->targets[++q->target].name);
}

static void ask_addresses(struct question *q, const char *name)
{
	static const int families[] = {
		[DNS_AUTO] = AF_UNSPEC,
		[DNS_IPV4] = AF_INET,
		[DNS_IPV6] = AF_INET6,
		[DNS_BOTH] = AF_UNSPEC,
	};
	struct ares_addrinfo_hints hints = { .ai_family = families[q->channel->dns.family],
					     .ai_flags = ARES_AI_NOSORT };

	ares_getaddrinfo(q->channel->ares, name, NULL, &hints, on_addresses, q);
}

/* --- SRV ----------------------------------------------------------------------------------- */

enum { SRV_FIXED = 6 /* priority, weight, port (RFC 2782) */ };

/* False: it is not one, or "." (no such service here). */
static bool read_target(ns_msg *message, ns_rr *record, struct target *out_target)
{
	const unsigned char *data = ns_rr_rdata(*record);

	if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) <= SRV_FIXED)
		return false;
	out_target->priority = (uint16_t)ns_get16(data);
	out_target->weight = (uint16_t)ns_get16(data + 2);
	out_target->port = (uint16_t)ns_get16(data + 4);
	return dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + SRV_FIXED,
			 out_target->name, sizeof(out_target->name)) > 0 &&
	       out_target->name[0] && out_target->port;
}

static void read_targets(struct question *q, const unsigned char *bytes, int len)
{
	ns_msg message;
	ns_rr record;

	if (ns_initparse(bytes, len, &message) != 0)
		return;
	q->targets = must_alloc(RECORDS_MAX * sizeof(q->targets[0]));
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		struct target target;

		if (ns_parserr(&message, ns_s_an, i, &record) != 0)
			return;
		shorten_ttl(&q->answer, ns_rr_ttl(record));
		if (!read_target(&message, &record, &target))
			continue;
		if (q->target_count < RECORDS_MAX)
			q->targets[q->target_count++] = target;
		else
			q->answer.left_out++;
	}
}

/* Those of the last priority are the first to be left out where there are too many. */
static int compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	if (x->priority != y->priority)
		return (int)x->priority - (int)y->priority;
	return by_name ? by_name : (int)x->port - (int)y->port;
}

static void on_services(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
	struct question *q = context;

	(void)timeouts;
	if (status != ARES_SUCCESS) {
		fail(q, status);
		return;
	}
	read_targets(q, bytes, len);
	if (q->target_count == 0) {
		fail(q, ARES_ENODATA);
		return;
	}
	qsort(q->targets, q->target_count, sizeof(q->targets[0]), compare_targets);
	if (q->target_count > NAME_ANSWERS_MAX) {
		q->answer.left_out += q->target_count - NAME_ANSWERS_MAX;
		q->target_count = NAME_ANSWERS_MAX;
	}
	ask_addresses(q, q->targets[0].name);
}

void dns_channel_ask(struct dns_channel *c, enum name_kind kind, const char *name,
		     void (*on_answer)(void *context, const struct dns_answer *answer),
		     void *context)
{
	struct question *q = must_alloc(sizeof(*q));

	q->channel = c;
	q->answer.why = "";
	q->answer.ttl_s = UINT32_MAX;
	q->on_answer = on_answer;
	q->context = context;
	if (kind == NAME_SRV)
		ares_query(c->ares, name, ns_c_in, ns_t_srv, on_services, q);
	else
		ask_addresses(q, name);
	set_timeout(c);
}
