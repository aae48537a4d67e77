/*
 * end_reason.h - why an exchange or tunnel ended, as one list: for the access log, and for the
 * bodies of our own answers.
 *
 * Names are stable, programs may look for them; texts are for people and may become better.
 */
#pragma once

/* clang-format off */
/* X(name, word in the access log, text). */
#define END_REASON_LIST(X)                                                                         \
	X(DONE, "done", "")                                                                        \
	X(BAD_HEAD, "bad_head", "the request's head cannot be accepted")                           \
	X(HEAD_TIMEOUT, "head_timeout", "the request's head did not come in time")                 \
	X(HEAD_SLOW, "head_slow", "the request's head came too slowly")                            \
	X(NO_CONNECT, "no_connect", "CONNECT is not offered here")                                 \
	X(BAD_PATH, "bad_path", "the path can be read in more than one way")                       \
	X(BAD_FIELD, "bad_field", "a field's name has an underscore")                               \
	X(OVERLOADED, "overloaded", "there is no room for this request now")                       \
	X(NO_ROUTE, "no_route", "no route matches this host and path")                             \
	X(BODY_LIMIT, "body_limit", "the body is longer than this route takes")                    \
	X(ROUTE_FULL, "route_full", "this route has as many requests as it takes at once")         \
	X(ROUTE_RATE, "route_rate", "this route has more requests than it takes in a time")        \
	X(SOURCE_FULL, "source_full", "you have as many requests as this route takes of one client at once") \
	X(SOURCE_RATE, "source_rate", "you send more requests than this route takes of one client") \
	X(NO_NAME, "no_name", "no upstream for this server name")                                  \
	X(NO_PROTOCOL, "no_protocol", "this server name is served for other protocols (ALPN)")      \
	X(BAD_HELLO, "bad_hello", "what came is no ClientHello")                                   \
	X(HELLO_TIMEOUT, "hello_timeout", "no ClientHello came in time")                           \
	X(HEAD_TOO_LARGE, "head_too_large", "the head does not fit with what we must add")         \
	X(BAD_BODY, "bad_body", "the request's body is malformed")                                 \
	X(BODY_TIMEOUT, "body_timeout", "the request's body did not come in time")                 \
	X(BODY_SLOW, "body_slow", "the request's body came too slowly")                            \
	X(REQUEST_TIMEOUT, "request_timeout", "the request was not whole in time")                  \
	X(TOTAL_TIMEOUT, "total_timeout", "the exchange has lasted as long as it may")             \
	X(CLIENT_GONE, "client_gone", "the client has gone")                                       \
	X(CLIENT_CUT, "client_cut", "the client has gone in the middle of its request")            \
	X(CLIENT_STALLED, "client_stalled", "the client took nothing of the response for too long") \
	X(CLIENT_SLOW, "client_slow", "the client took the response too slowly")                   \
	X(NO_ENDPOINT, "no_endpoint", "the upstream has no endpoint in service")                   \
	X(ENDPOINTS_UNFIT, "endpoints_unfit", "no endpoint of the upstream is fit")                \
	X(ENDPOINTS_FULL, "endpoints_full", "the upstream's endpoints have all that they may")     \
	X(BREAKER_OPEN, "breaker_open", "too much of what the upstream was asked has failed")       \
	X(BREAKER_FULL, "breaker_full", "the upstream has all that it may")                        \
	X(QUEUE_FULL, "queue_full", "the upstream's endpoints are busy, and so is the line before them") \
	X(QUEUE_TIMEOUT, "queue_timeout", "the upstream's endpoints were busy for too long")       \
	X(UNREACHABLE, "unreachable", "no endpoint could be reached")                              \
	X(CONNECT_TIMEOUT, "connect_timeout", "no endpoint could be reached in time")              \
	X(ENDPOINT_TLS, "endpoint_tls", "the endpoint cannot be trusted or spoken to by TLS")      \
	X(RESPONSE_TIMEOUT, "response_timeout", "the endpoint did not answer in time")             \
	X(ENDPOINT_CLOSED, "endpoint_closed", "the endpoint closed without an answer")             \
	X(ENDPOINT_CUT, "endpoint_cut", "the endpoint closed in the middle of its response")       \
	X(ENDPOINT_STALLED, "endpoint_stalled", "the endpoint's response made no progress for too long") \
	X(ENDPOINT_SLOW, "endpoint_slow", "the endpoint took or gave bytes too slowly")            \
	X(BAD_RESPONSE, "bad_response", "the endpoint's response is malformed")                    \
	X(BAD_RESPONSE_BODY, "bad_response_body", "the endpoint's response has a malformed body")  \
	X(RESPONSE_NO_HEAD, "response_no_head", "the endpoint's response has no end of its head")  \
	X(RESPONSE_TOO_LARGE, "response_too_large",                                                \
	  "the response's head does not fit with what we must add")                                \
	X(TOO_MANY_INTERIMS, "too_many_interims", "too many interim responses")                    \
	X(TUNNEL_CLIENT, "tunnel_client", "the tunnel broke on the client's side")                 \
	X(TUNNEL_ENDPOINT, "tunnel_endpoint", "the tunnel broke on the endpoint's side")           \
	X(TUNNEL_IDLE, "tunnel_idle", "the tunnel was idle for too long")                          \
	X(TUNNEL_OLD, "tunnel_old", "the tunnel has lasted as long as it may")                      \
	X(KILLED, "killed", "an operator has cut it")                                              \
	X(DRAINED, "drained", "its endpoint was drained or removed")                               \
	X(LOST, "lost", "the daemon died while it handed it over to the kernel")                   \
	X(MOVED, "moved", "it was exported and goes on at another node")                           \
	X(NO_ROOM, "no_room", "no room for our answer")                                            \
	X(STOPPED, "stopped", "the daemon stops")
/* clang-format on */

enum end_reason {
#define X(name, word, text) END_##name,
	END_REASON_LIST(X)
#undef X
		END_REASONS
};

extern const char *const end_reason_words[END_REASONS];
extern const char *const end_reason_texts[END_REASONS]; /* "" where all went well */
