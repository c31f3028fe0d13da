-- Langfuse's own database, made with the rest at the first start.
CREATE DATABASE langfuse;
