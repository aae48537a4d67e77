/* Names of endpoints for clients: the same everywhere with the key, nobody's without it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/snapshot/endpoint_tokens.h"

static struct model *load(const char *endpoints)
{
	struct findings findings = { 0 };
	char text[1024];
	int len = snprintf(
		text, sizeof(text),
		"vpcs: { a: { vni: 1, source: 10.9.9.8 }, b: { vni: 2, source: 10.9.9.9 } }\n"
		"upstreams: { a: { endpoints: [ %s ] } }\n",
		endpoints);
	struct model *model = model_load_text("f", text, (size_t)len, &findings);

	if (!model)
		test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
	return model;
}

static struct token_keys keys_of(int first, int second)
{
	struct token_keys keys = { .count = second ? 2 : 1 };

	memset(keys.keys[0], first, TOKEN_KEY_BYTES);
	memset(keys.keys[1], second, TOKEN_KEY_BYTES);
	return keys;
}

static struct span text_of(const struct endpoint_tokens *t, uint32_t place)
{
	return span_make(endpoint_tokens_of(t, place), ENDPOINT_TOKEN_BYTES);
}

#define ONE "{ address: \"10.0.0.1:80\" }"
#define TWO "{ address: \"10.0.0.2:80\" }"
#define IN(vpc)                                                                                    \
	"{ address: \"10.0.0.1:80\", vpc: " vpc ", host: 192.0.2.1, mac: \"02:00:00:00:00:04\" }"

TEST(a_name_belongs_to_address_port_and_vpc_whatever_the_order)
{
	struct token_keys keys = keys_of(7, 0);
	struct model *here = load(ONE "," TWO "," IN("a") "," IN("b"));
	struct model *there = load(IN("b") "," TWO "," ONE);
	struct endpoint_tokens *a = endpoint_tokens_create(&here->upstreams[0], &keys);
	struct endpoint_tokens *b = endpoint_tokens_create(&there->upstreams[0], &keys);

	CHECK_INT(endpoint_tokens_find(b, text_of(a, 0)), 2);
	CHECK_INT(endpoint_tokens_find(b, text_of(a, 1)), 1);
	CHECK_INT(endpoint_tokens_find(b, text_of(a, 2)), ENDPOINT_TOKEN_NOBODY); /* gone */
	CHECK_INT(endpoint_tokens_find(b, text_of(a, 3)), 0);
	/* What another implementation must write: HMAC-SHA-256, its first 16 bytes in base64url. */
	CHECK_STR(endpoint_tokens_of(a, 0), "g83ZVafMYDk21PIb_CpOxw");
	endpoint_tokens_destroy(a);
	endpoint_tokens_destroy(b);
	model_destroy(here);
	model_destroy(there);
}

TEST(an_older_key_is_understood_and_another_is_not)
{
	struct token_keys old = keys_of(1, 0), turned = keys_of(2, 1), other = keys_of(3, 0);
	struct model *model = load(ONE "," TWO);
	struct endpoint_tokens *before = endpoint_tokens_create(&model->upstreams[0], &old);
	struct endpoint_tokens *after = endpoint_tokens_create(&model->upstreams[0], &turned);
	struct endpoint_tokens *foreign = endpoint_tokens_create(&model->upstreams[0], &other);

	CHECK_INT(endpoint_tokens_find(after, text_of(before, 1)), 1);
	CHECK_INT(endpoint_tokens_find(before, text_of(after, 1)), ENDPOINT_TOKEN_NOBODY);
	CHECK_INT(endpoint_tokens_find(foreign, text_of(after, 1)), ENDPOINT_TOKEN_NOBODY);
	CHECK(strcmp(endpoint_tokens_of(before, 1), endpoint_tokens_of(after, 1)) != 0);
	endpoint_tokens_destroy(before);
	endpoint_tokens_destroy(after);
	endpoint_tokens_destroy(foreign);
	model_destroy(model);
}

TEST(what_is_no_name_names_nobody)
{
	struct token_keys keys = keys_of(7, 0);
	struct model *model = load(ONE), *empty = load("");
	struct endpoint_tokens *t = endpoint_tokens_create(&model->upstreams[0], &keys);
	struct endpoint_tokens *none = endpoint_tokens_create(&empty->upstreams[0], &keys);
	char text[ENDPOINT_TOKEN_BYTES + 2];

	memcpy(text, endpoint_tokens_of(t, 0), ENDPOINT_TOKEN_BYTES);
	text[ENDPOINT_TOKEN_BYTES] = 'A';
	CHECK_INT(endpoint_tokens_find(t, span_make(text, ENDPOINT_TOKEN_BYTES)), 0);
	CHECK_INT(endpoint_tokens_find(none, text_of(t, 0)), ENDPOINT_TOKEN_NOBODY);
	CHECK_INT(endpoint_tokens_find(t, span_make(text, ENDPOINT_TOKEN_BYTES + 1)),
		  ENDPOINT_TOKEN_NOBODY);
	CHECK_INT(endpoint_tokens_find(t, span_make(text, ENDPOINT_TOKEN_BYTES - 1)),
		  ENDPOINT_TOKEN_NOBODY);
	CHECK_INT(endpoint_tokens_find(t, span_make(NULL, 0)), ENDPOINT_TOKEN_NOBODY);
	for (int i = 0; i < ENDPOINT_TOKEN_BYTES; i++) {
		text[i] ^= 1;
		CHECK_INT(endpoint_tokens_find(t, span_make(text, ENDPOINT_TOKEN_BYTES)),
			  ENDPOINT_TOKEN_NOBODY);
		text[i] ^= 1;
	}
	endpoint_tokens_destroy(t);
	endpoint_tokens_destroy(none);
	model_destroy(model);
	model_destroy(empty);
}

TEST(a_key_is_made_once_and_read_by_all_that_follow)
{
	char folder[] = "/tmp/shunt-keys-XXXXXX", path[128];
	struct token_keys made, again, process;
	struct stat file;
	struct err err;
	int fd;

	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/persistence.key", folder);
	CHECK(token_keys_load(NULL, folder, &made, &err));
	CHECK(token_keys_load(NULL, folder, &again, &err));
	CHECK_INT(made.count, 1);
	CHECK_INT(memcmp(made.keys[0], again.keys[0], TOKEN_KEY_BYTES), 0);
	CHECK_INT(stat(path, &file), 0);
	CHECK_INT(file.st_mode & 0777, 0600);
	CHECK_INT(file.st_size, TOKEN_KEY_BYTES);
	CHECK(token_keys_load(path, NULL, &again, &err)); /* as another node's file */
	CHECK_INT(memcmp(made.keys[0], again.keys[0], TOKEN_KEY_BYTES), 0);
	CHECK(token_keys_load(NULL, NULL, &process, &err));
	CHECK(token_keys_load(NULL, NULL, &again, &err));
	CHECK_INT(memcmp(process.keys[0], again.keys[0], TOKEN_KEY_BYTES), 0);
	CHECK(memcmp(process.keys[0], made.keys[0], TOKEN_KEY_BYTES) != 0);
	fd = open(path, O_WRONLY | O_APPEND);
	CHECK_INT(write(fd, "x", 1), 1);
	close(fd);
	CHECK(!token_keys_load(path, NULL, &again, &err));
	CHECK(strstr(err.text, "expected 1 to 4 persistence keys of 32 bytes in "));
	CHECK(strstr(err.text, "found 33 bytes; make one with `openssl rand 32`"));
	unlink(path);
	CHECK(!token_keys_load(path, NULL, &again, &err));
	CHECK(strstr(err.text, "cannot read the persistence keys "));
	CHECK_INT(memcmp(process.keys[0], again.keys[0], TOKEN_KEY_BYTES), 0); /* untouched */
	rmdir(folder);
	CHECK(!token_keys_load(NULL, folder, &again, &err));
}
