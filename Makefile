# SPDX-License-Identifier: GPL-2.0
# For people; the module's object list is in Kbuild.  "make" prints what there is.
KERNEL ?= 6.1
JOBS ?=
ARGS ?=
MINUTES ?= 2
B := $(CURDIR)/build

# Looked up when used: the first of them may follow a set-up in the same run.
print = $(shell testbed/setup --kernel $(or $2,$(KERNEL)) --print | sed -n 's/^$1=//p')
quiet := --no-print-directory $(if $(V),,-s)
say = @echo "$(strip $1)" >&2

help:
	@echo 'vellum: a hypervisor module that knows exactly which guest pages were written'
	@echo
	@echo '  make run      set up, build, and migrate a running guest in the test machine'
	@echo '  make test     set up, build, and run every test; JOBS="device-* unit" for some,'
	@echo '                testbed/suite --list names them'
	@echo '  make test-debug  some of it under a kernel with KASAN, lockdep and the like, which is'
	@echo '                built first (ten minutes and more)'
	@echo '  make test-long  the whole list of the kernel'"'"'s own selftests on other CPU models (three quarters of an hour)'
	@echo '  make soak     writing guests, every harvester and a host short of memory, all at once,'
	@echo '                for about MINUTES=2; SEED=N'
	@echo '  make check    the static checks alone; make format does what one of them wants'
	@echo '  make shell    a prompt in the test machine with the module loaded'
	@echo '  make load     load the module on this machine, if its CPU and kernel allow it'
	@echo '  make unload   and unload it'
	@echo '  make install  give the module to DKMS and /dev/vellum to the group kvm; make uninstall'
	@echo '  make bench    what each path costs, beside kvm_intel, on both kernels (or KERNEL=6.1);'
	@echo '                RECORD=1 keeps the figures for the next to be compared with'
	@echo '  make deb      Debian packages of module and command, in build/deb'
	@echo '  make module   build vellum.ko for the test kernel, KERNEL=6.1 or 6.12, in'
	@echo '                build/vellum-6.1 or build/vellum-6.12'
	@echo '  make tools    build the vellum command'
	@echo '  make setup    install and download what is missing (needs root)'
	@echo '  make clean    remove what was built; the cache outside the tree stays'
	@echo
	@echo '  ARGS="--cpus 2" is passed to testbed/machine by run and shell; V=1 shows commands'

setup:
	@testbed/setup --kernel $(KERNEL)

setup-test:
	@testbed/setup --test --kernel 6.1
	@testbed/setup --kernel 6.12

# Each kernel's stands in a directory of its own.
module: module-$(KERNEL)

module-6.1 module-6.12 module-debug: module-%:
	@testbed/setup --kernel $*
	$(call say,building build/vellum-$*/vellum.ko for $(call print,release,$*))
	@testbed/build $(call print,headers,$*) $B/vellum-$*

# One build at a time in this tree: jobs of the suite and people may ask at once.
tools: setup
	$(call say,building the vellum command)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C tools O=$B/tools

device: setup-test
	$(call say,building the device tests)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/device KSRC=$(call print,source) O=$B/device

fuzz-ioctl: setup
	$(call say,building the ioctl fuzzer)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/fuzz/ioctl O=$B/fuzz-ioctl

fuzz-vmcs: setup
	$(call say,building the fuzzer of VM entry)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/fuzz/vmcs O=$B/fuzz-vmcs

soak-program: setup
	$(call say,building the soak)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/soak O=$B/soak

# One that needs the kernel's own defaults, and so a job of its own.
trace: setup-test
	$(call say,building the tracepoints' test)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/device KSRC=$(call print,source) O=$B/trace TESTS=trace

bench-program: setup
	$(call say,building the bench)
	@mkdir -p $B
	@flock $B/lock $(MAKE) $(quiet) -C selftests/bench O=$B/bench

# Both kernels unless KERNEL is given on the command line, the second whatever the first says.
bench:
	@status=0; for k in $(if $(filter command%,$(origin KERNEL)),$(KERNEL),6.1 6.12); do \
		$(MAKE) --no-print-directory bench-$$k || status=1; done; exit $$status

bench-6.1 bench-6.12: bench-%: module-% bench-program
	@selftests/bench/run --kernel $* $(if $(RECORD),--record) \
		$(addprefix --extra ,$(wildcard $B/bench-extra-$*/*.json))

run: module tools
	@testbed/machine --kernel $(KERNEL) $(ARGS) -- $B/tools/vellum migrate

test: setup-test
	@testbed/suite $(JOBS)

test-debug: setup-test
	@testbed/suite -j 1 --jobs testbed/debug/jobs $(JOBS)

test-long: setup-test
	@testbed/suite --jobs testbed/long/jobs $(JOBS)

# A minute here is about a quarter of one by the clock of the machine, which has two CPUs.
soak: module soak-program
	@testbed/machine --kernel $(KERNEL) --cpus 2 --swap 64 --timeout $$(( $(MINUTES) * 300 + 300 )) $(ARGS) -- \
		$B/soak/soak --seconds $$(( $(MINUTES) * 15 )) $(if $(SEED),--seed $(SEED))

check: setup-test
	@testbed/check

# Lines are broken and aligned as .clang-format says; look at the change before you keep it.
format: setup-test
	git ls-files -z 'include/*.[ch]' 'mmu/*.[ch]' 'platform/*.[ch]' 'vmx/*.[ch]' 'nested/*.[ch]' \
		'uapi/*.[ch]' 'tools/*.[ch]' | xargs -0 clang-format -i

shell: module tools
	@testbed/machine --kernel $(KERNEL) $(ARGS) --add $B/tools/vellum --add $B/tools/hello.img --shell

load:
	@testbed/load

unload:
	@testbed/load --unload

install:
	@packaging/install

uninstall:
	@packaging/install --remove

deb: setup
	@packaging/deb $B/deb

clean:
	rm -rf $B

.PHONY: help setup setup-test module module-6.1 module-6.12 module-debug tools device trace fuzz-ioctl fuzz-vmcs bench-program \
	soak-program bench bench-6.1 bench-6.12 run test test-debug test-long soak check format shell load unload install uninstall deb clean
