# SPDX-License-Identifier: GPL-2.0
# How static programs for the test machine are built. The Makefile that includes this
# has set here, its directory, and names what is to be made: all: $(O)/NAME, made of
# $(call objects,one.o two.o) and, for those with a bench, $(bench-objects).
O ?= $(here)build
selftests := $(dir $(lastword $(MAKEFILE_LIST)))

CFLAGS ?= -O2 -g
STATIC ?= -static
override CFLAGS += -std=gnu11 -Wall -Wextra $(STATIC) -pthread

vpath %.c $(here) $(selftests)device $(selftests)../tools/lib
vpath %.S $(selftests)guest

objects = $(1:%=$(O)/obj/%)
bench-objects := $(call objects,vm.o kvm.o cpu.o $(patsubst %.S,guest-%.o,$(notdir $(wildcard $(selftests)guest/*.S))))
headers := $(wildcard $(here)*.h $(addprefix $(selftests),device/*.h guest/*.h ../tools/lib/*.h))

all:

$(O)/obj:
	mkdir -p $@

$(O)/obj/%.o: %.c $(headers) | $(O)/obj
	$(CC) $(CFLAGS) -c -o $@ $<

$(O)/obj/guest-%.o: %.S $(headers) | $(O)/obj
	$(CC) -c -o $@ $<

clean:
	$(RM) -r $(O)

.PHONY: all clean
.SECONDARY:
