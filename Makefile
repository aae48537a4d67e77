# shunt: `make demo` shows the main job, `make test` runs every test; both set up what they need.
# All output is under build/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

B := build
CC := gcc
CLANG := clang-19
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 60
MODEL_PACKETS ?= 50000
export SHUNT_MODEL_PACKETS := $(MODEL_PACKETS)

WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -Wundef -Wformat=2 -Wno-missing-field-initializers -Wno-override-init
WARNINGS += $(if $(CI),-Werror)
CPPFLAGS := -I. -I$(B)/bpf -D_GNU_SOURCE
CFLAGS := -std=gnu11 -O2 -g -fno-strict-aliasing -pthread $(WARNINGS)
LDLIBS := -lbpf -lxdp -lev -lssl -lcrypto -lfyaml -ljansson -lmnl -lxxhash -lcares -lresolv -lpcre2-8 -lm -lcap -lpthread
ifeq ($(shell pkg-config --exists libmaxminddb 2>/dev/null && echo yes),yes)
CPPFLAGS += -DHAVE_MAXMINDDB
LDLIBS += -lmaxminddb
endif
TSAN := -fsanitize=thread -fno-omit-frame-pointer
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# --- what there is -------------------------------------------------------------------------

BPF_SRC := $(wildcard bpf/*.bpf.c)
BPF_HDR := $(wildcard bpf/*.h bpf/abi/*.h bpf/lib/*.h)
SKELS := $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.skel.h)
LIB_SRC := $(filter-out userspace/main.c,$(wildcard userspace/*.c userspace/*/*.c)) \
	$(filter-out loader/main.c,$(wildcard loader/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
SAN_OBJ := $(LIB_SRC:%.c=$(B)/san/%.o)
TSAN_OBJ := $(LIB_SRC:%.c=$(B)/tsanobj/%.o)
FUZZ_OBJ := $(LIB_SRC:%.c=$(B)/fuzzobj/%.o)
BPF_HARNESS := tests/harness/program_run.c tests/harness/tc_run.c tests/harness/tap.c \
	tests/harness/l4_maps.c tests/harness/model.c tests/harness/ingress_lab.c
CTL_SRC := $(wildcard tools/shuntctl/*.c)
HARNESS_SRC := $(filter-out $(BPF_HARNESS),$(wildcard tests/harness/*.c))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
TSAN_TESTS := $(patsubst tests/unit/%.c,$(B)/tsan/%,$(shell grep -l pthread_create tests/unit/*.c))
BPF_TESTS := $(patsubst tests/bpf/%.c,$(B)/bpftest/%,$(wildcard tests/bpf/test_*.c))
BENCH_PROGRAMS := $(addprefix $(B)/bench/,packet_bench figures route_bench null_relay http_load tls_load udp_pour \
	syn_flood honest_load splice_load splice_origin splice_hold probe_floor)
SOAK_PROGRAMS := $(addprefix $(B)/soak/,soak_load soak_endpoint)
TRAFFIC_PROGRAMS := $(patsubst tests/traffic/%.c,$(B)/traffic/%,$(filter-out %.bpf.c,$(wildcard tests/traffic/*.c))) \
	$(patsubst tests/traffic/%.c,$(B)/traffic/%.o,$(wildcard tests/traffic/*.bpf.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
ROUTE_PROGRAMS := $(B)/routes/route_lookup
PROGRAMS := $(if $(wildcard userspace/main.c),$(B)/shuntd) \
	$(if $(wildcard loader/main.c),$(B)/shunt-loader) $(if $(CTL_SRC),$(B)/shuntctl)
C_FILES := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

PACKAGES := gcc make pkg-config clang-19 llvm-19 libclang-rt-19-dev clang-format-19 clang-tidy-19 bpftool \
	libbpf-dev libxdp-dev libelf-dev libev-dev libssl-dev libfyaml-dev libjansson-dev libmnl-dev \
	libxxhash-dev libc-ares-dev libpcre2-dev libcap-dev libmaxminddb-dev libcmocka-dev linux-libc-dev \
	python3 python3-pytest python3-pytest-xdist python3-scapy python3-yaml \
	nginx-light haproxy varnish curl wrk openssl iproute2 iputils-ping ethtool util-linux mount procps tcpdump

# Two that build the same tree at once would write the same files: the second one waits.
BUILD_ONE = mkdir -p $(B) && flock -o $(B)/.lock $(MAKE) --no-print-directory -j$$(nproc)

# --- targets for people --------------------------------------------------------------------

.PHONY: all help deps demo test lint fuzz bench bench-packets soak install uninstall clean format programs
.PHONY: build-tests tsan valgrind

all: ## build all programs into build/
	@$(MAKE) --no-print-directory deps
	@$(BUILD_ONE) programs

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install missing Debian packages (needs root only where something is missing)
	@sh tools/deps $(PACKAGES)

demo: all ## build the lab, run the main job, explain what to look at, clean up
	@$(PYTHON) tools/demo

test: deps ## build and run every test
	@$(BUILD_ONE) programs build-tests
	@sh tests/run

lint: deps ## clang-format, clang-tidy and the layer check
	@$(BUILD_ONE) programs
	@sh tools/lint $(C_FILES)

fuzz: deps ## run each fuzzer for FUZZ_SECONDS (60)
	@$(BUILD_ONE) build-tests
	@for f in $(FUZZERS); do name=$$(basename $$f | sed s/fuzz_//); mkdir -p $(B)/found/$$name; \
		echo "== $$name"; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -print_final_stats=0 \
		-artifact_prefix=$(B)/found/$$name/ $(B)/found/$$name tests/fuzz/corpus/$$name 2>&1 \
		| tail -n 2 || exit 1; done

bench: all ## packets and requests beside nginx and haproxy; BENCH=name for one, QUICK=1 for a glance
	@$(BUILD_ONE) -s $(BENCH_PROGRAMS) $(TRAFFIC_PROGRAMS)
	@$(PYTHON) tools/bench/bench $(if $(QUICK),--quick) $(BENCH)

bench-packets: ## of these only the packets, the kernel's memory, and forwarding beside the kernel's
	@$(MAKE) --no-print-directory bench BENCH="packets figures forward"

soak: all ## a million requests (REQUESTS=n), then splices for 30 minutes (SECONDS=n), while all around them changes
	@$(BUILD_ONE) -s $(SOAK_PROGRAMS) $(ROUTE_PROGRAMS)
	@$(PYTHON) tools/soak/soak $(or $(REQUESTS),1000000)
	@SHUNT_ROUTE_TABLES=4000 $(PYTHON) -m pytest -q tests/net/test_route_reference.py
	@SHUNT_EXPLAIN_TABLES=400 $(PYTHON) -m pytest -q tests/net/test_explain_request.py tests/net/test_explain_ended.py
	@$(PYTHON) tools/soak/splices $(or $(SECONDS),1800) $(SEED)

tsan: deps ## threaded unit tests, and the lab with shuntd, under ThreadSanitizer; TESTS=tests/net/...
	@$(BUILD_ONE) programs $(TSAN_TESTS) $(B)/tsan/shuntd
	@for t in $(TSAN_TESTS); do $$t >$(B)/tsan/log 2>&1 || { cat $(B)/tsan/log; exit 1; }; done
	@sh tests/checked tsan $(TESTS)

valgrind: deps ## the lab with shuntd under valgrind's memcheck; TESTS=tests/net/... for others
	@sh tools/deps valgrind
	@$(BUILD_ONE) programs
	@sh tests/checked valgrind $(TESTS)

format: ## lay out all C files by .clang-format
	@clang-format-19 -i $(C_FILES)

install: all ## install below PREFIX (/usr/local), with a systemd unit, its user and an example
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)/etc/shunt $(DESTDIR)/etc/systemd/system
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/sbin/
	[ -e $(DESTDIR)/etc/shunt/shunt.yaml ] || install -m 640 docs/example.yaml $(DESTDIR)/etc/shunt/shunt.yaml
	[ -n "$(DESTDIR)" ] || getent passwd shunt >/dev/null || useradd --system --user-group \
		--no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shunt
	[ -n "$(DESTDIR)" ] || chgrp shunt /etc/shunt/shunt.yaml
	sed 's|@PREFIX@|$(PREFIX)|g' docs/shunt.service > $(DESTDIR)/etc/systemd/system/shunt.service

uninstall: ## remove what install put there, but not /etc/shunt and the user shunt
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/sbin/,shuntd shunt-loader shuntctl)
	rm -f $(DESTDIR)/etc/systemd/system/shunt.service

clean: ## remove build/
	rm -rf $(B)

# --- rules ---------------------------------------------------------------------------------

programs: $(PROGRAMS)
build-tests: $(UNIT) $(BPF_TESTS) $(FUZZERS) $(SOAK_PROGRAMS) $(ROUTE_PROGRAMS) $(TRAFFIC_PROGRAMS)

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HDR)
	@mkdir -p $(@D)
	@echo "  $@" && $(CLANG) -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Wno-unused-parameter \
		-Wno-gnu-variable-sized-type-not-at-end $(if $(CI),-Werror) \
		-I. -I/usr/include/$(shell gcc -print-multiarch) -c $< -o $@

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	@$(BPFTOOL) gen skeleton $< name $* > $@

# Headers made from bpf/ must exist before anything is compiled; afterwards .d files know better.
$(B)/obj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/san/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(SAN) -MMD -MP -c $< -o $@

$(B)/fuzzobj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  $@" && $(CLANG) $(CPPFLAGS) $(CFLAGS) -O1 $(SAN) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(B)/tsanobj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(TSAN) -MMD -MP -c $< -o $@

$(B)/libshunt.a: $(LIB_OBJ)
	@rm -f $@ && ar rcs $@ $^
$(B)/libshunt-san.a: $(SAN_OBJ)
	@rm -f $@ && ar rcs $@ $^
$(B)/libshunt-tsan.a: $(TSAN_OBJ)
	@rm -f $@ && ar rcs $@ $^
$(B)/libshunt-fuzz.a: $(FUZZ_OBJ)
	@rm -f $@ && ar rcs $@ $^

$(B)/shuntd: $(B)/obj/userspace/main.o $(B)/libshunt.a
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(B)/shunt-loader: $(B)/obj/loader/main.o $(B)/libshunt.a
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(B)/shuntctl: $(CTL_SRC:%.c=$(B)/obj/%.o) $(B)/libshunt.a
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)

$(B)/unit/%: $(B)/san/tests/unit/%.o $(HARNESS_SRC:%.c=$(B)/san/%.o) $(B)/libshunt-san.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $(SAN) $^ -o $@ $(LDLIBS) -lcmocka
$(B)/tsan/shuntd: $(B)/tsanobj/userspace/main.o $(B)/libshunt-tsan.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $(TSAN) $^ -o $@ $(LDLIBS)
$(B)/tsan/test_%: $(B)/tsanobj/tests/unit/test_%.o $(HARNESS_SRC:%.c=$(B)/tsanobj/%.o) $(B)/libshunt-tsan.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $(TSAN) $^ -o $@ $(LDLIBS) -lcmocka
$(B)/bpftest/%: $(B)/obj/tests/bpf/%.o $(HARNESS_SRC:%.c=$(B)/obj/%.o) \
		$(BPF_HARNESS:%.c=$(B)/obj/%.o) $(B)/libshunt.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS) -lcmocka
$(B)/bench/packet_bench: $(patsubst %,$(B)/obj/tools/bench/%.o,packet_bench bench_frames bench_maps) \
		$(B)/obj/tests/harness/maps.o $(B)/libshunt.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(B)/bench/route_bench: $(B)/obj/tools/bench/route_bench.o $(B)/libshunt.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(B)/bench/figures: $(B)/obj/tools/bench/figures.o $(B)/libshunt.a
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(addprefix $(B)/bench/,null_relay http_load tls_load udp_pour syn_flood honest_load splice_load splice_origin splice_hold \
		probe_floor): \
		$(B)/bench/%: $(B)/obj/tools/bench/%.o
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ -lssl -lcrypto
$(B)/soak/%: $(B)/obj/tools/soak/%.o $(B)/obj/tools/soak/soak.o
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ -lssl -lcrypto
$(B)/routes/%: $(B)/san/tests/routes/%.o $(B)/libshunt-san.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $(SAN) $^ -o $@ $(LDLIBS)
$(B)/traffic/%.bpf.o: tests/traffic/%.bpf.c
	@mkdir -p $(@D)
	@echo "  $@" && $(CLANG) -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra $(if $(CI),-Werror) \
		-I/usr/include/$(shell gcc -print-multiarch) -c $< -o $@
$(B)/traffic/%: $(B)/obj/tests/traffic/%.o
	@mkdir -p $(@D)
	@echo "  $@" && $(CC) $(CFLAGS) $^ -o $@ $(LDLIBS)
$(B)/fuzz/%: $(B)/fuzzobj/tests/fuzz/%.o $(B)/libshunt-fuzz.a
	@mkdir -p $(@D)
	@echo "  $@" && $(CLANG) $(SAN) -fsanitize=fuzzer $^ -o $@ $(LDLIBS)

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
