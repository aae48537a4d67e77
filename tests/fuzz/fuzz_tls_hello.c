/*
 * ClientHellos: every beginning of a good or bad one asks for more or gives the same answer, and
 * cutting it into other records changes nothing.
 */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/tls/tls_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_hello(const struct tls_hello *hello)
{
	struct span name = tls_hello_name(hello);

	MUST(name.len <= TLS_HELLO_NAME_MAX && hello->name_bytes[name.len] == '\0');
	MUST(strlen(hello->name_bytes) == name.len);
	for (size_t i = 0; i < name.len; i++)
		MUST(name.at[i] < 'A' || name.at[i] > 'Z');
	MUST(hello->alpn_count <= TLS_HELLO_ALPN_MAX);
	for (unsigned i = 0; i < hello->alpn_count; i++) {
		struct span protocol = tls_hello_alpn(hello, i);

		MUST(protocol.len > 0);
		MUST(protocol.at + protocol.len <= hello->alpn_bytes + TLS_HELLO_ALPN_BYTES);
	}
}

static enum tls_hello_result parse_copy(const uint8_t *data, size_t n, struct tls_hello *out)
{
	char *copy = malloc(n ? n : 1);
	enum tls_hello_result got;

	if (n > 0)
		memcpy(copy, data, n);
	got = tls_hello_parse(span_make(copy, n), out);
	free(copy);
	return got;
}

/* One record, cut in two at cut. */
static void check_cut(const uint8_t *data, size_t len, size_t cut, const struct tls_hello *want)
{
	static uint8_t out[TLS_HELLO_MAX + 16];
	struct tls_hello got;
	size_t rest = len - cut;

	memcpy(out, data, 3);
	out[3] = (uint8_t)(cut >> 8);
	out[4] = (uint8_t)cut;
	memcpy(out + 5, data + 5, cut);
	memcpy(out + 5 + cut, data, 3);
	out[8 + cut] = (uint8_t)(rest >> 8);
	out[9 + cut] = (uint8_t)rest;
	memcpy(out + 10 + cut, data + 5 + cut, rest);
	MUST(tls_hello_parse(span_make(out, len + 10), &got) == TLS_HELLO_DONE);
	MUST(memcmp(&got, want, sizeof(got)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tls_hello whole, part;
	enum tls_hello_result want, got = TLS_HELLO_NEED_MORE;
	size_t len;

	if (size > 20000)
		return 0;
	want = parse_copy(data, size, &whole);
	for (size_t n = 0; n <= size && got == TLS_HELLO_NEED_MORE; n += size > 600 ? 37 : 1)
		got = parse_copy(data, n, &part);
	if (got != TLS_HELLO_NEED_MORE)
		MUST(got == want);
	if (want != TLS_HELLO_DONE)
		return 0;
	check_hello(&whole);
	len = (size_t)data[3] << 8 | data[4];
	if (len + 5 != size || len < 2 || len > TLS_HELLO_MAX - 10)
		return 0;
	check_cut(data, len, 1, &whole);
	check_cut(data, len, 1 + data[size - 1] % (len - 1), &whole);
	check_cut(data, len, len - 1, &whole);
	return 0;
}
