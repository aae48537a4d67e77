#include "userspace/upstream/health_exchange.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_body.h"
#include "userspace/http/h1_parser.h"
#include "userspace/tls/tls_context.h"
#include "userspace/tls/tls_error.h"

enum { HEAD_MAX = 16384, HEAD_LEAST = 64, BODY_MAX = 65536, INTERIM_MAX = 16 };

enum stage { STAGE_HANDSHAKE, STAGE_SEND, STAGE_HEAD, STAGE_BODY };

struct health_exchange {
	const struct health *rules;
	int fd;
	SSL *ssl; /* NULL: plain */
	enum stage stage;
	bool no_tls; /* there was no memory for it */
	bool ended;  /* the endpoint says no more */
	char request[HEALTH_REQUEST_MAX];
	size_t request_len, sent;
	struct h1_parser parser;
	struct h1_body framing;
	uint32_t interim; /* heads before the answer's */
	char *in;         /* the head, then what is not decoded yet; in_cap bytes and a NUL */
	size_t in_len, in_cap;
	char *body; /* NULL: nobody looks at it; BODY_MAX bytes */
	size_t body_len;
};

static void put(struct health_exchange *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The model has seen to it that all fits. */
static void put(struct health_exchange *x, const char *fmt, ...)
{
	size_t room = sizeof(x->request) - x->request_len;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(x->request + x->request_len, room, fmt, args);
	va_end(args);
	x->request_len += len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static bool has_field(const struct health *rules, const char *name)
{
	for (uint32_t i = 0; i < rules->field_count; i++)
		if (strcasecmp(rules->fields[i].name, name) == 0)
			return true;
	return false;
}

static void write_request(struct health_exchange *x, const struct addr *to)
{
	const struct health *rules = x->rules;
	struct addr_text text = addr_print(to);

	put(x, "%s %s HTTP/1.1\r\nHost: %s\r\n", rules->method, rules->path,
	    rules->host ? rules->host : text.text);
	if (!has_field(rules, "user-agent"))
		put(x, "User-Agent: shunt-health\r\n");
	if (!has_field(rules, "accept"))
		put(x, "Accept: */*\r\n");
	for (uint32_t i = 0; i < rules->field_count; i++)
		put(x, "%s: %s\r\n", rules->fields[i].name, rules->fields[i].value);
	put(x, "Connection: close\r\n\r\n");
}

struct health_exchange *health_exchange_create(const struct health *rules,
					       const struct tls_client *tls, const struct addr *to,
					       int fd)
{
	struct health_exchange *x = must_alloc(sizeof(*x));
	struct message asked = { .method_id = METHOD_OTHER };

	x->rules = rules;
	x->fd = fd;
	x->in_cap = rules->body.len ? HEAD_MAX : HEAD_LEAST;
	x->in = must_alloc(x->in_cap + 1);
	x->stage = tls ? STAGE_HANDSHAKE : STAGE_SEND;
	if (tls)
		x->ssl = tls_client_ssl(tls, fd);
	x->no_tls = tls && !x->ssl;
	if (rules->kind != HEALTH_HTTP)
		return x;
	write_request(x, to);
	asked.method_id = (uint8_t)message_method(span_of(rules->method));
	h1_parser_init(&x->parser, H1_RESPONSE, &H1_LIMITS_DEFAULT);
	h1_parser_answers(&x->parser, &asked);
	if (rules->body.len)
		x->body = must_alloc(BODY_MAX);
	return x;
}

void health_exchange_destroy(struct health_exchange *x)
{
	if (!x)
		return;
	SSL_free(x->ssl);
	ERR_clear_error();
	free(x->in);
	free(x->body);
	free(x);
}

static enum health_progress bad(char *detail, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static enum health_progress bad(char *detail, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, HEALTH_DETAIL_MAX, fmt, args);
	va_end(args);
	return HEALTH_BAD;
}

/* --- bytes, plain or not ------------------------------------------------------------------- */

/* What the last call on the SSL wants; HEALTH_BAD: nothing, it is over. */
static enum health_progress wanted(struct health_exchange *x, int result)
{
	switch (SSL_get_error(x->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return HEALTH_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return HEALTH_WANTS_WRITE;
	default:
		return HEALTH_BAD;
	}
}

/* HEALTH_GOOD: *out_n bytes, 0 at the end. */
static enum health_progress take(struct health_exchange *x, void *at, size_t cap, size_t *out_n)
{
	ssize_t n;

	*out_n = 0;
	if (x->ssl) {
		int result;

		ERR_clear_error(); /* what others left would be taken for ours */
		result = SSL_read_ex(x->ssl, at, cap, out_n);
		if (result == 1)
			return HEALTH_GOOD;
		if (SSL_get_error(x->ssl, result) == SSL_ERROR_ZERO_RETURN)
			return HEALTH_GOOD;
		return wanted(x, result);
	}
	n = recv(x->fd, at, cap, 0);
	if (n < 0)
		return errno == EAGAIN ? HEALTH_WANTS_READ : HEALTH_BAD;
	*out_n = (size_t)n;
	return HEALTH_GOOD;
}

static enum health_progress give(struct health_exchange *x)
{
	const char *from = x->request + x->sent;
	size_t len = x->request_len - x->sent, n = 0;
	ssize_t got;

	if (x->ssl) {
		int result;

		ERR_clear_error();
		result = SSL_write_ex(x->ssl, from, len, &n);

		x->sent += n;
		return result == 1 ? HEALTH_GOOD : wanted(x, result);
	}
	got = send(x->fd, from, len, MSG_NOSIGNAL);
	if (got < 0)
		return errno == EAGAIN ? HEALTH_WANTS_WRITE : HEALTH_BAD;
	x->sent += (size_t)got;
	return HEALTH_GOOD;
}

/* --- the stages: HEALTH_GOOD where all of it is done --------------------------------------- */

static enum health_progress check_validity(const struct health_exchange *x, char *detail)
{
	X509 *leaf = SSL_get0_peer_certificate(x->ssl);
	int days = 0, seconds = 0;

	if (!x->rules->valid_days)
		return HEALTH_GOOD;
	if (!leaf || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)))
		return bad(detail, "its certificate does not say how long it is valid");
	if (days < (int)x->rules->valid_days)
		return bad(detail, "its certificate is valid for %d days, less than %u",
			   days > 0 ? days : 0, x->rules->valid_days);
	return HEALTH_GOOD;
}

static enum health_progress shake_hands(struct health_exchange *x, char *detail)
{
	enum health_progress wants;
	long verdict;
	int result;

	if (x->no_tls)
		return bad(detail, "there is no memory for TLS");
	ERR_clear_error();
	result = SSL_do_handshake(x->ssl);
	if (result == 1)
		return check_validity(x, detail);
	wants = wanted(x, result);
	if (wants != HEALTH_BAD)
		return wants;
	verdict = SSL_get_verify_result(x->ssl);
	if (verdict != X509_V_OK)
		return bad(detail, "TLS: %s", X509_verify_cert_error_string(verdict));
	if (!ERR_peek_error())
		return bad(detail, "TLS: the connection broke in the handshake");
	return bad(detail, "TLS: %s", tls_error_reason());
}

static enum health_progress judge_status(const struct health_exchange *x, unsigned status,
					 char *detail)
{
	for (uint32_t i = 0; i < x->rules->status_count; i++)
		if (status >= x->rules->statuses[i].first && status <= x->rules->statuses[i].last)
			return HEALTH_GOOD;
	return bad(detail, "status %u is not expected", status);
}

/* Where nobody looks at a body, the status line is enough, and an end behind it no fault. */
static enum health_progress judge_line(struct health_exchange *x, char *detail)
{
	unsigned status = 0;

	if (x->in_len < sizeof("HTTP/1.1 200") - 1)
		return x->ended ? bad(detail, "closed without an answer") : HEALTH_WANTS_READ;
	x->in[x->in_len] = 0;
	if (sscanf(x->in, "HTTP/1.%*1[01] %3u", &status) != 1)
		return bad(detail, "what answers is not HTTP");
	return judge_status(x, status, detail);
}

/* HEALTH_GOOD: the body begins. */
static enum health_progress judge_head(struct health_exchange *x, char *detail)
{
	struct message answer;
	enum h1_reject why;
	enum h1_result result;
	size_t used;

	do {
		result = h1_parser_head(&x->parser, span_make(x->in, x->in_len), &answer, &used,
					&why);
		if (result == H1_NEED_MORE && x->in_len < x->in_cap)
			return x->ended ? bad(detail, "closed without an answer")
					: HEALTH_WANTS_READ;
		if (result != H1_DONE)
			return bad(detail, "what answers is not HTTP");
		x->in_len -= used;
		memmove(x->in, x->in + used, x->in_len);
		if (x->interim++ == INTERIM_MAX)
			return bad(detail, "it says more than %d heads before its answer",
				   INTERIM_MAX);
	} while (answer.status < 200 && !answer.tunnel);
	x->stage = STAGE_BODY;
	h1_body_init(&x->framing, answer.framing, answer.content_length);
	return judge_status(x, answer.status, detail);
}

static enum health_progress judge_body(struct health_exchange *x, char *detail)
{
	struct span in = span_make(x->in, x->in_len), data;
	enum h1_body_result result = H1_BODY_DATA;
	enum h1_reject why;

	while (result != H1_BODY_MORE) {
		result = h1_body_next(&x->framing, &in, &data, &why);
		if (result == H1_BODY_REJECT)
			return bad(detail, "the body of its answer is not framed as it should be");
		if (result == H1_BODY_DATA) {
			size_t room = BODY_MAX - x->body_len;
			size_t n = data.len < room ? data.len : room;

			memcpy(x->body + x->body_len, data.at, n);
			x->body_len += n;
		}
		if (result == H1_BODY_END || x->body_len == BODY_MAX)
			break;
	}
	memmove(x->in, in.at, in.len);
	x->in_len = in.len;
	if (memmem(x->body, x->body_len, x->rules->body.at, x->rules->body.len))
		return HEALTH_GOOD;
	if (result != H1_BODY_END && !x->ended && x->body_len < BODY_MAX)
		return HEALTH_WANTS_READ;
	return bad(detail, "the body of its answer does not contain what is expected");
}

static enum health_progress judge(struct health_exchange *x, char *detail)
{
	enum health_progress progress;

	if (!x->body)
		return judge_line(x, detail);
	if (x->stage == STAGE_HEAD) {
		progress = judge_head(x, detail);
		if (progress != HEALTH_GOOD)
			return progress;
	}
	return judge_body(x, detail);
}

static enum health_progress hear(struct health_exchange *x, char *detail)
{
	for (;;) {
		size_t n = 0, room = x->in_cap - x->in_len;
		enum health_progress progress = take(x, x->in + x->in_len, room, &n);

		if (progress == HEALTH_BAD && x->in_len == 0)
			return bad(detail, "the connection broke");
		if (progress == HEALTH_WANTS_READ || progress == HEALTH_WANTS_WRITE)
			return progress;
		x->ended = progress == HEALTH_BAD || n == 0;
		x->in_len += n;
		progress = judge(x, detail);
		if (progress != HEALTH_WANTS_READ)
			return progress;
	}
}

enum health_progress health_exchange_go(struct health_exchange *x, char *detail)
{
	enum health_progress progress;

	if (x->stage == STAGE_HANDSHAKE) {
		progress = shake_hands(x, detail);
		if (progress != HEALTH_GOOD || x->rules->kind != HEALTH_HTTP)
			return progress;
		x->stage = STAGE_SEND;
	}
	while (x->stage == STAGE_SEND) {
		progress = give(x);
		if (progress == HEALTH_BAD)
			return bad(detail, "the connection broke");
		if (progress != HEALTH_GOOD)
			return progress;
		if (x->sent == x->request_len)
			x->stage = STAGE_HEAD;
	}
	return hear(x, detail);
}
