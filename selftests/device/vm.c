// SPDX-License-Identifier: GPL-2.0
/* The bench of the device tests: see vm.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "vm.h"

static int bench_mem(struct bench *bench, struct mem *mem, const struct mem *want)
{
	*mem = *want;
	if (!mem->host)
		mem->host = mem_alloc(mem->size);
	return mem->host ? vm_set_mem(&bench->vm, mem) : -ENOMEM;
}

static int bench_vcpu(struct bench *bench, unsigned int i)
{
	int ret = vcpu_open(&bench->vm, &bench->vcpu[i], i);

	if (ret)
		return ret;
	bench->vcpus++;
	return cpu_set_supported_cpuid(&bench->vm, &bench->vcpu[i]);
}

bool bench_module_param(const char *name)
{
	const char *module = kvm_device_is_kvm() ? "kvm_intel" : "vellum";
	char path[128], value = 'N';
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	file = fopen(path, "r");
	if (file && fread(&value, 1, 1, file) != 1)
		value = 'N';
	if (file)
		fclose(file);
	return value == 'Y';
}

int vcpu_set_maxphyaddr(struct vcpu *vcpu, unsigned int bits)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid = { .head.nent = CPUID_MAX };
	int ret = kvm_ioctl(vcpu->fd, KVM_GET_CPUID2, &cpuid);
	unsigned int i;

	for (i = 0; !ret && i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 0x80000008)
			cpuid.entries[i].eax = (cpuid.entries[i].eax & ~0xffu) | bits;
	return ret ?: kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid);
}

int bench_open(struct bench *bench, const struct bench_config *config)
{
	struct mem low = { .id = 0, .gpa = 0, .size = LOW_BYTES };
	struct mem data = { .id = 1, .gpa = config->data_gpa ?: DATA_GPA,
			    .flags = config->data_flags, .host = config->data_host,
			    .size = config->data_pages * PAGE_SIZE };
	unsigned int i;
	int ret;

	memset(bench, 0, sizeof(*bench));
	bench->owns_data = !config->data_host;
	ret = vm_open(&bench->vm);
	if (ret)
		return ret;
	if (config->manual)
		ret = vm_enable_cap(&bench->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, config->manual);
	if (!ret && config->ring_entries)
		ret = vm_enable_ring(&bench->vm, config->ring_entries);
	if (!ret && config->irqchip)
		ret = kvm_ioctl(bench->vm.fd, KVM_CREATE_IRQCHIP, NULL);
	if (!ret && config->identity_map)
		ret = kvm_ioctl(bench->vm.fd, KVM_SET_IDENTITY_MAP_ADDR,
				(void *)&config->identity_map);
	ret = ret ?: bench_mem(bench, &bench->low, &low);
	if (config->data_pages)
		ret = ret ?: bench_mem(bench, &bench->data, &data);
	for (i = 0; !ret && i < config->vcpus; i++) {
		ret = bench_vcpu(bench, i);
		if (!ret && config->maxphyaddr)
			ret = vcpu_set_maxphyaddr(&bench->vcpu[i], config->maxphyaddr);
	}
	if (ret)
		bench_close(bench);
	return ret;
}

void bench_close(struct bench *bench)
{
	while (bench->vcpus)
		vcpu_close(&bench->vcpu[--bench->vcpus]);
	vm_close(&bench->vm);
	mem_free(bench->low.host, bench->low.size);
	if (bench->owns_data)
		mem_free(bench->data.host, bench->data.size);
	bench->low.host = NULL;
	bench->data.host = NULL;
}

void bench_load(struct bench *bench, const char *code, const char *end)
{
	memcpy(bench_low(bench, CODE_GPA), code, end - code);
}

int bench_start_mode(struct bench *bench, unsigned int i, enum cpu_mode mode)
{
	struct kvm_regs regs;
	int ret;

	if (mode == CPU_LONG)
		cpu_page_tables(bench_low(bench, TABLE_GPA), TABLE_GPA);
	ret = cpu_start(&bench->vcpu[i], mode, CODE_GPA, TABLE_GPA);
	ret = ret ?: kvm_ioctl(bench->vcpu[i].fd, KVM_GET_REGS, &regs);
	if (ret)
		return ret;
	regs.rbp = MBOX_GPA + i * PAGE_SIZE;
	regs.rsp = STACK_GPA + (i + 1) * PAGE_SIZE;
	return kvm_ioctl(bench->vcpu[i].fd, KVM_SET_REGS, &regs);
}

int bench_start(struct bench *bench, unsigned int i)
{
	return bench_start_mode(bench, i, CPU_FLAT32);
}

volatile uint32_t *bench_mbox(struct bench *bench, unsigned int i)
{
	return bench_low(bench, MBOX_GPA + i * PAGE_SIZE);
}

int bench_set_flags(struct bench *bench, uint32_t flags)
{
	bench->data.flags = flags;
	return vm_set_mem(&bench->vm, &bench->data);
}

uint32_t *bench_script_list(struct bench *bench)
{
	return bench_low(bench, SCRIPT_GPA);
}

int bench_script(struct bench *bench, uint32_t count)
{
	MBOX(bench, 0, SCRIPT) = SCRIPT_GPA;
	MBOX(bench, 0, COUNT) = count;
	return bench_run(bench, 0);
}

int bench_touch(struct bench *bench, const uint32_t *pages, uint32_t count, uint32_t how)
{
	uint32_t *list = bench_script_list(bench);
	uint32_t i;

	for (i = 0; i < count; i++)
		list[i] = (bench->data.gpa + pages[i] * PAGE_SIZE) | how;
	return bench_script(bench, count);
}

int bench_run(struct bench *bench, unsigned int i)
{
	int ret = vcpu_run(&bench->vcpu[i]);

	return ret < 0 ? ret : (int)bench->vcpu[i].run->exit_reason;
}

static void nothing(int signal)
{
	(void)signal;
}

int bench_run_alarmed(struct bench *bench, unsigned int i, unsigned int us)
{
	const struct itimerval often = { .it_value.tv_usec = us, .it_interval.tv_usec = us };
	const struct itimerval never = { .it_value.tv_usec = 0 };
	const struct sigaction action = { .sa_handler = nothing };
	int ret;

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		return -errno;
	ret = bench_run(bench, i);
	setitimer(ITIMER_REAL, &never, NULL);
	return ret;
}

void threads_interrupt(const pthread_t *threads, unsigned int n, void **results)
{
	const struct sigaction action = { .sa_handler = nothing };
	unsigned int i, left = (1U << n) - 1;

	sigaction(SIGUSR1, &action, NULL);
	while (left) {
		for (i = 0; i < n; i++) {
			if (!(left & 1U << i))
				continue;
			if (pthread_tryjoin_np(threads[i], &results[i]) == EBUSY)
				pthread_kill(threads[i], SIGUSR1);
			else
				left &= ~(1U << i);
		}
		usleep(500);
	}
}

void *thread_interrupt(pthread_t thread)
{
	void *result;

	threads_interrupt(&thread, 1, &result);
	return result;
}

bool bench_done(struct bench *bench, unsigned int i)
{
	struct kvm_run *run = bench->vcpu[i].run;

	return run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_DONE &&
	       run->io.direction == KVM_EXIT_IO_OUT;
}

int bench_run_new_vm(void)
{
	const struct bench_config config = { .vcpus = 1 };
	struct bench bench;
	int ret = bench_open(&bench, &config);

	if (ret)
		return ret;
	BENCH_LOAD(&bench, hlt);
	ret = bench_start(&bench, 0);
	ret = ret ?: bench_run(&bench, 0);
	bench_close(&bench);
	return ret;
}

static void *runner_main(void *arg)
{
	struct runner *runner = arg;
	int ret;

	for (;;) {
		ret = bench_run(runner->bench, runner->i);
		if (ret == KVM_EXIT_DIRTY_RING_FULL) {
			/* The harvester makes room; give it the CPU. */
			runner->full++;
			usleep(50);
			continue;
		}
		if (ret == -EINTR || ret == -EAGAIN || ret == KVM_EXIT_INTR)
			continue;
		break;
	}
	runner->result = ret == KVM_EXIT_IO && bench_done(runner->bench, runner->i) ? 0 : ret;
	runner->finished = true;
	return NULL;
}

int runner_start(struct runner *runner, struct bench *bench, unsigned int i)
{
	*runner = (struct runner){ .bench = bench, .i = i };
	return -pthread_create(&runner->thread, NULL, runner_main, runner);
}

int runner_join(struct runner *runner)
{
	pthread_join(runner->thread, NULL);
	return runner->result;
}

void bench_random(struct bench *bench, unsigned int i, uint32_t seed)
{
	MBOX(bench, i, SEED) = seed;
	MBOX(bench, i, MASK) = bench->data.size / PAGE_SIZE - 1;
	MBOX(bench, i, BASE) = bench->data.gpa;
	/*
	 * Bochs 2.7 leaves the offset in the CPU's log; KVM warns, with a back-trace,
	 * of every entry that has one. There both vCPUs write the first word.
	 */
	MBOX(bench, i, LANE) = kvm_device_is_kvm() ? 0 : 64 + 64 * i;
	MBOX(bench, i, COUNT) = 0;
	MBOX(bench, i, STOP) = 0;
}

bool bench_guest_sum(struct bench *bench, unsigned int i, uint32_t offset, uint32_t *sum)
{
	int ret;

	bench_load(bench, guest_sum, guest_sum_end);
	MBOX(bench, i, BASE) = bench->data.gpa;
	MBOX(bench, i, COUNT) = bench->data.size / PAGE_SIZE;
	MBOX(bench, i, LANE) = offset;
	ret = bench_start(bench, i);
	if (ret || bench_run(bench, i) != KVM_EXIT_IO || !bench_done(bench, i))
		return false;
	*sum = MBOX(bench, i, VALUE);
	return true;
}

uint32_t bench_host_sum(struct bench *bench, uint32_t offset)
{
	uint64_t page, pages = bench->data.size / PAGE_SIZE;
	uint32_t sum = 0;

	for (page = 0; page < pages; page++)
		sum += bench_page(bench, page)[offset / 4];
	return sum;
}

uint64_t bench_seed(void)
{
	const char *text = getenv("SEED");
	uint64_t seed = text && *text ? strtoull(text, NULL, 0) : 20261120;

	printf("# seed %llu (SEED=%llu to repeat)\n", (unsigned long long)seed,
	       (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* splitmix: any seed, zero too, gives a good stream. */
uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t rng_below(struct rng *rng, uint32_t limit)
{
	return (rng_next(rng) >> 32) * limit >> 32;
}

void rng_shuffle(struct rng *rng, uint32_t *list, uint32_t count)
{
	uint32_t i, j, t;

	for (i = count; i > 1; i--) {
		j = rng_below(rng, i);
		t = list[i - 1];
		list[i - 1] = list[j];
		list[j] = t;
	}
}
