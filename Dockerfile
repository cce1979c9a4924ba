# The environment of requirements.lock under /opt/r3gan, and this tree; docs/scaling.md says how to use it.
# The base brings Python, git, make and a compiler (for torch.compile and DeepSpeed); GPU libraries come with the packages.
FROM python:3.11-bookworm
WORKDIR /r3gan
COPY . .
RUN make setup VENV=/opt/r3gan
ENV PATH=/opt/r3gan/bin:$PATH
CMD ["r3gan", "--help"]
